// SPDX-License-Identifier: Apache-2.0
// UTF-8, as far as a diagnostic needs it. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace tariff::config {

/// Bytes of the UTF-8 character at the front of `text`, 0 if it is none (RFC 3629: no overlong
/// forms, no surrogates, at most U+10FFFF). A NUL is a character.
std::size_t utf8_length(std::string_view text);

}  // namespace tariff::config
