// SPDX-License-Identifier: Apache-2.0
#include "config/text_checks.h"

#include <algorithm>

#include "config/document.h"

namespace tariff::config {
namespace {

/// Bytes of the UTF-8 character at the front of `text`, 0 if it is none (RFC 3629: no overlong
/// forms, no surrogates, at most U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto between = [](unsigned value, unsigned low, unsigned high) {
    return value >= low && value <= high;
  };
  const unsigned first = byte(0);
  const unsigned second = byte(1);
  const auto tail = [&](std::size_t i) { return between(byte(i), 0x80, 0xbf); };
  if (first < 0x80) return 1;
  if (between(first, 0xc2, 0xdf)) return tail(1) ? 2 : 0;
  if (between(first, 0xe0, 0xef)) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : 0xbf;
    return between(second, low, high) && tail(2) ? 3 : 0;
  }
  if (between(first, 0xf0, 0xf4)) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return between(second, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

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

/// The first line that is indented with a tab, up to line `last`.
Position indenting_tab(std::string_view text, int last) {
  int line = 1;
  int column = 1;
  bool indentation = true;
  for (const char c : text) {
    if (line > last) break;
    if (indentation && c == '\t') return {line, column, 1};
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
  if (const Position tab = indenting_tab(text, at.line); tab.line > 0) {
    report.error(tab, "indented with a tab", "YAML is indented with blanks");
    return;
  }
  report.error(at, "not YAML: " + complaint, "look at brackets, quotes and indentation up to here");
}

int length_in_source(std::string_view rest, std::string_view value) {
  if (rest.starts_with(value)) return std::max(static_cast<int>(value.size()), 1);
  const char quote = rest.empty() ? '\0' : rest[0];
  if (quote != '"' && quote != '\'') return 1;
  const auto end = rest.find(quote, 1);  // an escaped quote ends the underline early, no more
  return end == std::string_view::npos ? 1 : static_cast<int>(end) + 1;
}

}  // namespace tariff::config
