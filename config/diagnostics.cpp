// SPDX-License-Identifier: Apache-2.0
#include "config/diagnostics.h"

#include <algorithm>
#include <utility>

#include "config/utf8.h"

namespace tariff::config {
namespace {

/// Characters in UTF-8 text: bytes that do not continue another.
int characters(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

/// The first `count` characters of `text`, in bytes.
std::size_t bytes_of(std::string_view text, int count) {
  std::size_t i = 0;
  for (; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80 && count-- == 0) break;
  return i;
}

std::string_view line_of(std::string_view text, int line) {
  for (; line > 1; --line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  auto out = text.substr(0, text.find('\n'));
  if (out.ends_with('\r')) out.remove_suffix(1);
  return out;
}

/// A line that a terminal shows one character per column: a tab becomes a blank, a control
/// character or a byte that is no UTF-8 a question mark.
std::string printable(std::string_view line) {
  std::string out;
  while (!line.empty()) {
    const char c = line[0];
    const std::size_t length = utf8_length(line);
    if (c == '\t') out += ' ';
    else if (length == 0 || static_cast<unsigned char>(c) < ' ' || c == 0x7f) out += '?';
    else out += line.substr(0, length);
    line.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string counted(std::size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// The source line and the underline below it, cut to a window around the column.
std::string excerpt(const Diagnostic& diagnostic) {
  constexpr int kWidth = 90;   // with the gutter, fits 100 columns
  constexpr int kBefore = 40;  // what is left of the mark when the line has to be cut
  std::string source = printable(diagnostic.source);
  int column = std::max(diagnostic.column, 1);
  if (column > kWidth - 10) {
    const int cut = column - kBefore;
    source = "..." + source.substr(bytes_of(source, cut));
    column += 3 - cut;
  }
  const bool too_long = characters(source) > kWidth;
  if (too_long) source = source.substr(0, bytes_of(source, kWidth)) + "...";

  std::string number = std::to_string(diagnostic.line);
  number.insert(0, number.size() < 4 ? 4 - number.size() : 0, ' ');
  const int room = std::max(characters(source) - column + 1, 1);
  const int length = std::clamp(diagnostic.length, 1, room);
  std::string mark(static_cast<std::size_t>(column - 1), ' ');
  mark += '^';
  mark.append(static_cast<std::size_t>(length - 1), '~');
  return number + " | " + source + "\n" + std::string(number.size(), ' ') + " | " + mark + "\n";
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
  std::string out = diagnostic.file;
  if (diagnostic.line > 0)
    out += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
  out += diagnostic.severity == Severity::Error ? ": error: " : ": warning: ";
  out += diagnostic.message + "\n";
  if (diagnostic.line > 0) out += excerpt(diagnostic);
  if (!diagnostic.hint.empty()) out += "  hint: " + diagnostic.hint + "\n";
  return out;
}

std::string render(const std::vector<Diagnostic>& diagnostics) {
  if (diagnostics.empty()) return {};
  std::string out;
  std::size_t errors = 0;
  for (const auto& diagnostic : diagnostics) {
    out += render(diagnostic) + "\n";
    errors += diagnostic.severity == Severity::Error ? 1 : 0;
  }
  const std::size_t warnings = diagnostics.size() - errors;
  if (errors > 0) out += counted(errors, "error");
  if (errors > 0 && warnings > 0) out += ", ";
  if (warnings > 0) out += counted(warnings, "warning");
  return out + "\n";
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

void Report::error(Position at, const std::string& message, const std::string& hint) {
  ++errors_;
  add(Severity::Error, at, message, hint);
}

void Report::warning(Position at, const std::string& message, const std::string& hint) {
  add(Severity::Warning, at, message, hint);
}

void Report::add(Severity severity, Position at, const std::string& message,
                 const std::string& hint) {
  if (diagnostics_.size() >= kMost) {
    ++dropped_;
    return;
  }
  Diagnostic out;
  out.file = file_;
  out.severity = severity;
  out.message = printable(message);  // it may quote the text, escapes resolved
  out.hint = printable(hint);
  if (at.line > 0) {
    const auto line = line_of(text_, at.line);
    const auto column = std::min(static_cast<std::size_t>(std::max(at.column, 1)) - 1, line.size());
    out.line = at.line;
    out.column = characters(line.substr(0, column)) + 1;
    out.length = std::max(
        characters(line.substr(column, static_cast<std::size_t>(std::max(at.length, 1)))), 1);
    out.source = line;
  }
  diagnostics_.push_back(std::move(out));
}

std::vector<Diagnostic> Report::take() && {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  if (dropped_ > 0) {
    Diagnostic rest;
    rest.file = file_;
    rest.severity = errors_ > 0 ? Severity::Error : Severity::Warning;
    rest.message = std::to_string(dropped_) + " more are not shown";
    diagnostics_.push_back(std::move(rest));
  }
  return std::move(diagnostics_);
}

}  // namespace tariff::config
