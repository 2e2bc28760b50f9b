// SPDX-License-Identifier: Apache-2.0
// A small template language, enough for real pages:
//
//   {{name}}                       a value, HTML-escaped
//   {{#items}} ... {{/items}}      once per element of a list, or once if it is an object or true
//   {{^items}} ... {{/items}}      if it is missing, false, empty or 0
//
// Names are looked up in the innermost section first. Sections of the same name do not nest.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace web {

/// Throws std::runtime_error, naming the tag, for a section that is not closed.
std::string render(std::string_view text, const nlohmann::json& data);

std::string escaped(std::string_view text);

}  // namespace web
