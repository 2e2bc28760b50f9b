// SPDX-License-Identifier: Apache-2.0
// Aligned tables for people. Columns are as wide as their widest cell; the last column is never
// padded, so that no line ends in spaces.
//
//   Table table({{"CLASS"}, {"RUNNING", Align::Right}});
//   table.add({"critical", "3"});
//   std::cout << table.text();
#pragma once

#include <string>
#include <vector>

namespace tariff::ctl {

enum class Align { Left, Right };

struct Column {
  std::string title;
  Align align = Align::Left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  /// Requires: as many cells as columns. Cells must be printable (units.h).
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Title line and rows, each ended by '\n'; `indent` spaces before each line.
  [[nodiscard]] std::string text(std::size_t indent = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Columns a text takes on a terminal: its UTF-8 code points.
std::size_t display_width(const std::string& text);

}  // namespace tariff::ctl
