// SPDX-License-Identifier: Apache-2.0
// Reading what the kernel writes in /proc, /sys and control files: cut, trim, whole numbers, and
// the error that says which file, which line and why. Shared by the parsers of cgroup/ and swap/.
// Threading: pure functions; what they return may point into the text that they were given.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/result.h"

namespace tariff {

/// Cuts the text up to the first `separator` off the front of `rest` and returns it.
inline std::string_view take(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto head = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return head;
}

inline std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

/// The next word of a line of columns, and the blanks around it, off the front of `rest`.
inline std::string_view take_word(std::string_view& rest) {
  const auto first = rest.find_first_not_of(" \t");
  rest.remove_prefix(first == std::string_view::npos ? rest.size() : first);
  const auto end = rest.find_first_of(" \t");
  const auto word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return word;
}

/// The whole of `text` as a number; "12abc", "" and "-1" (if unsigned) are none.
template <typename T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// An excerpt for an error text: short, printable and quoted.
inline std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string out = "'";
  for (const char c : text.substr(0, kMost)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > kMost ? "...'" : "'");
}

/// "cannot read FILE: WHY in 'LINE'".
inline Error garbage(std::string_view file, std::string_view line, std::string_view why) {
  return Error{ErrorKind::InvalidArgument,
               "cannot read " + std::string(file) + ": " + std::string(why) + " in " + quoted(line),
               {}};
}

}  // namespace tariff
