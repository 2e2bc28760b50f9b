// SPDX-License-Identifier: Apache-2.0
// Single values as an operator writes them, and back. Each text is read whole or not at all:
// "80abc" is an error, not 80. Errors are InvalidArgument; message says what the text is not, hint
// how to write it. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tariff::config {

/// "123", "-4". No sign "+", no blanks, no underscores, no octal or hexadecimal.
Result<std::int64_t> parse_integer(std::string_view text);

/// Plain bytes or a whole number of KiB, MiB, GiB or TiB: "4096", "512MiB". At most 2^63 - 1.
Result<std::uint64_t> parse_bytes(std::string_view text);

/// A whole number with a unit: "500ms", "2s", "10min", "1h", "7d". At most 1000 days.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "true" or "false"; yes, on and 1 mean different things to different readers of YAML.
Result<bool> parse_boolean(std::string_view text);

/// The shortest exact text that the functions above read back: "512MiB", "2s".
std::string bytes_text(std::uint64_t bytes);
std::string duration_text(std::chrono::milliseconds duration);

}  // namespace tariff::config
