// SPDX-License-Identifier: Apache-2.0
#include "config/text_checks.h"

#include <algorithm>

#include "config/document.h"
#include "config/utf8.h"

namespace tariff::config {
namespace {

bool starts_with_utf16_or_32_mark(std::string_view text) {
  using namespace std::string_view_literals;
  return text.starts_with("\xff\xfe"sv) || text.starts_with("\xfe\xff"sv) ||
         text.starts_with("\0\0\xfe\xff"sv);
}

/// "0x1B" for a control character.
std::string hexadecimal(char c) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(c);
  return std::string("0x") + kDigits[value >> 4] + kDigits[value & 15];
}

/// A tab in the indentation of the lines first..last.
Position indenting_tab(std::string_view text, int first, int last) {
  int line = 1;
  int column = 1;
  bool indentation = true;
  for (const char c : text) {
    if (line > last) break;
    if (line >= first && indentation && c == '\t') return {line, column, 1};
    if (c != ' ') indentation = false;
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
      indentation = true;
    }
  }
  return {};
}

}  // namespace

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

bool check_text(std::string_view text, Report& report) {
  if (text.size() > kMaxTextBytes) {
    report.error({}, "larger than " + std::to_string(kMaxTextBytes >> 20) + " MiB",
                 "split it, or is it another kind of file?");
    return false;
  }
  if (starts_with_utf16_or_32_mark(text)) {
    report.error({}, "not UTF-8 but UTF-16 or UTF-32", "convert it, for example with iconv");
    return false;
  }
  int line = 1;
  int column = 1;
  bool blank = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_length(text.substr(i));
    const bool line_end = c == '\n' || (c == '\r' && text.substr(i).starts_with("\r\n"));
    if (length == 0) {
      report.error({line, column, 1}, "not UTF-8", "save the file in UTF-8");
      return false;
    }
    if ((static_cast<unsigned char>(c) < ' ' || c == 0x7f) && c != '\t' && !line_end) {
      report.error({line, column, 1}, "a control character (" + hexadecimal(c) + ")", "remove it");
      return false;
    }
    blank = blank && (c == ' ' || c == '\t' || line_end);
    i += length;
    column += static_cast<int>(length);
    if (c == '\n') {
      ++line;
      column = 1;
    }
  }
  if (blank) {
    report.error({}, "the file is empty",
                 "restore it from the package; a file of comments only stands for the defaults");
    return false;
  }
  return true;
}

void report_syntax_error(std::string_view text, Position at, const std::string& complaint,
                         Report& report) {
  if (const Position tab = indenting_tab(text, at.line - 1, at.line); tab.line > 0) {
    report.error(tab, "indented with a tab", "YAML is indented with blanks");
    return;
  }
  report.error(at, "not YAML: " + complaint, "look at brackets, quotes and indentation up to here");
}

std::optional<int> scalar_length(std::string_view source, std::string_view value) {
  const auto line = source.substr(0, source.find('\n'));
  const char quote = source.empty() ? '\0' : source[0];
  if (quote != '"' && quote != '\'')
    return line.starts_with(value) ? static_cast<int>(value.size()) : 1;
  for (std::size_t i = 1; i < source.size(); ++i) {
    if (quote == '"' && source[i] == '\\') {
      ++i;  // whatever it is, it does not close
    } else if (source[i] == quote) {
      if (quote == '\'' && source.substr(i + 1).starts_with('\'')) ++i;  // '' stands for one
      else return static_cast<int>(std::min(i + 1, line.size()));
    }
  }
  return std::nullopt;
}

}  // namespace tariff::config
