// SPDX-License-Identifier: Apache-2.0
// What is wrong with a configuration, where, and what to do about it. A loader collects all of it
// in one pass; a person then sees, for each:
//
//   tariffd.yaml:4:12: error: 'price' must be above 0
//      4 |     price: 0
//        |            ^
//     hint: a class that costs nothing would be run by nobody's choice
//
// Threading: plain values. Everything here is pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tariff::config {

/// A place in a text, 1-based. line 0 means the file as a whole. Columns count bytes here, as the
/// parser does; a Diagnostic counts characters, as editors do. length 0 underlines nothing more
/// than one character.
struct Position {
  int line = 0;
  int column = 0;
  int length = 0;
  bool operator==(const Position&) const = default;
};

enum class Severity {
  Error,    ///< the configuration cannot be used
  Warning,  ///< it can, but something in it has no effect
};

struct Diagnostic {
  std::string file;
  int line = 0;      ///< 1-based; 0: no particular line
  int column = 0;    ///< 1-based, in characters
  int length = 1;    ///< characters to underline, at least 1
  Severity severity = Severity::Error;
  std::string message;
  std::string hint;    ///< may be empty
  std::string source;  ///< the offending line, empty if line is 0
  bool operator==(const Diagnostic&) const = default;
};

/// One diagnostic as text, each line ended by a newline.
std::string render(const Diagnostic& diagnostic);

/// All of them, a blank line between, and a last line "2 errors, 1 warning"; "" if there are none.
std::string render(const std::vector<Diagnostic>& diagnostics);

[[nodiscard]] bool has_errors(const std::vector<Diagnostic>& diagnostics);

/// Collects the diagnostics of one text. Bounded: after kMost it only counts.
class Report {
 public:
  static constexpr std::size_t kMost = 100;  ///< a person fixes ten and runs the check again

  /// `text` must stay alive as long as the report; `file` is its name in messages.
  Report(std::string file, std::string_view text) : file_(std::move(file)), text_(text) {}

  void error(Position at, const std::string& message, const std::string& hint = {});
  void warning(Position at, const std::string& message, const std::string& hint = {});

  [[nodiscard]] bool has_errors() const { return errors_ > 0; }
  /// How many so far; a reader that was quiet since then found its part good.
  [[nodiscard]] std::size_t errors() const { return errors_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  /// In the order of the text.
  [[nodiscard]] std::vector<Diagnostic> take() &&;

 private:
  void add(Severity severity, Position at, const std::string& message, const std::string& hint);

  std::string file_;
  std::string_view text_;
  std::size_t errors_ = 0;
  std::size_t dropped_ = 0;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace tariff::config
