// SPDX-License-Identifier: Apache-2.0
// Names and paths, which all sections share.
#include <algorithm>

#include "config/sections.h"

namespace tariff::config {

bool is_name(std::string_view text, std::size_t most) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto other = [](char c) { return c == '-' || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= most && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || other(c); });
}

bool read_name(Fields& fields, std::string_view key, std::size_t most, std::string& out,
               Report& report) {
  std::string text;
  if (!fields.read_text(key, text)) return false;
  if (!is_name(text, most)) {
    report.error(fields.at(key), "'" + std::string(key) + "': '" + text + "' is not a name",
                 "a small letter, then small letters, digits and '-', at most " +
                     std::to_string(most) + " in all");
    return false;
  }
  out = std::move(text);
  return true;
}

bool read_path(Fields& fields, std::string_view key, std::string& out, Report& report) {
  std::string text;
  if (!fields.read_text(key, text)) return false;
  const std::string with_end = text + "/";
  const char* wrong = nullptr;
  if (!text.starts_with('/')) wrong = "is not an absolute path";
  else if (text.size() > 1 && text.ends_with('/')) wrong = "ends with '/'";
  else if (text.find("//") != std::string::npos) wrong = "contains '//'";
  else if (with_end.find("/../") != std::string::npos || with_end.find("/./") != std::string::npos)
    wrong = "contains '.' or '..'";
  else if (std::any_of(text.begin(), text.end(), [](char c) { return c > 0 && c < ' '; }))
    wrong = "contains a control character";
  if (wrong != nullptr) {
    report.error(fields.at(key), "'" + std::string(key) + "': '" + text + "' " + wrong,
                 "write the whole path from the root");
    return false;
  }
  out = std::move(text);
  return true;
}

}  // namespace tariff::config
