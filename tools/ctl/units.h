// SPDX-License-Identifier: Apache-2.0
// Quantities as people read and write them: "1.2 ms", "300 MiB", "05:44:32.123", "1.5s".
// Pure: data in, text out; every form is a golden text in tests/unit/ctl/units_test.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tariff::ctl {

/// Three significant digits in the unit that suits: "0", "850 ns", "1.23 ms", "20.0 s", "3m 20s",
/// "2h 05m", "3d 04h". Negative durations keep their sign.
std::string duration_text(std::chrono::nanoseconds duration);

/// Binary units, three significant digits: "0", "512 B", "1.50 KiB", "300 MiB".
std::string bytes_text(std::uint64_t bytes);

/// A wall-clock instant in UTC with milliseconds: "2026-11-23 05:44:32.123Z".
std::string instant_text(std::int64_t unix_ns);
/// Its time of day only: "05:44:32.123".
std::string time_of_day_text(std::int64_t unix_ns);

/// "12%" of a whole; "-" when the whole is zero.
std::string share_text(std::int64_t part, std::int64_t whole);

/// The text with everything that a terminal would interpret replaced by '?'; line breaks become
/// spaces. What came from a handler or a peer is never printed raw in a table.
std::string printable(std::string_view text);

/// "250ms", "1.5s", "2m", "1h", "90" (seconds). Zero and negative durations are errors.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace tariff::ctl
