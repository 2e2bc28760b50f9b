// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/units.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace tariff::ctl {
namespace {

using namespace std::chrono_literals;

/// A value below 1000 (or 1024) with three significant digits.
std::string significant(double value) {
  const int places = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", places, value);
  return text.data();
}

std::string two_parts(std::int64_t whole, char unit, std::int64_t rest, char rest_unit) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%lld%c %02lld%c", static_cast<long long>(whole), unit,
                static_cast<long long>(rest), rest_unit);
  return text.data();
}

std::string broken_down(std::int64_t unix_ns, const char* format) {
  const std::int64_t second_ns = 1'000'000'000;
  std::int64_t seconds = unix_ns / second_ns;
  std::int64_t rest = unix_ns % second_ns;
  if (rest < 0) {
    rest += second_ns;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm fields{};
  if (::gmtime_r(&time, &fields) == nullptr) return "?";
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), format, &fields);
  std::array<char, 16> places{};
  std::snprintf(places.data(), places.size(), ".%03d", static_cast<int>(rest / 1'000'000));
  return std::string(text.data(), length) + places.data();
}

}  // namespace

std::string duration_text(std::chrono::nanoseconds duration) {
  if (duration < 0ns) return "-" + duration_text(-duration);
  if (duration == 0ns) return "0";
  const auto ns = static_cast<double>(duration.count());
  if (ns < 999.5) return std::to_string(duration.count()) + " ns";
  if (ns < 999.5e3) return significant(ns / 1e3) + " us";
  if (ns < 999.5e6) return significant(ns / 1e6) + " ms";
  if (duration < 100s) return significant(ns / 1e9) + " s";
  const std::int64_t seconds = std::chrono::round<std::chrono::seconds>(duration).count();
  if (seconds < 3'600) return two_parts(seconds / 60, 'm', seconds % 60, 's');
  if (seconds < 86'400) return two_parts(seconds / 3'600, 'h', seconds % 3'600 / 60, 'm');
  return two_parts(seconds / 86'400, 'd', seconds % 86'400 / 3'600, 'h');
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  if (bytes < 1'024) return std::to_string(bytes) + " B";
  static constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1'024;
  std::size_t unit = 0;
  while (value >= 1'023.5 && unit + 1 < kUnits.size()) {
    value /= 1'024;
    ++unit;
  }
  return significant(value) + " " + kUnits[unit];
}

std::string instant_text(std::int64_t unix_ns) {
  return broken_down(unix_ns, "%Y-%m-%d %H:%M:%S") + "Z";
}

std::string time_of_day_text(std::int64_t unix_ns) { return broken_down(unix_ns, "%H:%M:%S"); }

std::string share_text(std::int64_t part, std::int64_t whole) {
  if (whole <= 0) return "-";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return std::to_string(std::lround(percent)) + "%";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t' || c == '\r') out += ' ';
    else if (byte < 0x20 || byte == 0x7f) out += '?';
    else out += c;
  }
  // C1 controls (U+0080..U+009F) drive terminals too; in UTF-8 they are C2 80 .. C2 9F.
  for (std::size_t at = 0; at + 1 < out.size(); ++at)
    if (out[at] == '\xc2' && static_cast<unsigned char>(out[at + 1]) < 0xa0)
      out.replace(at, 2, "?");
  return out;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto fail = [&](const char* why) {
    return Error{ErrorKind::InvalidArgument,
                 "\"" + std::string(text) + "\" is not a duration: " + why,
                 "write for example 250ms, 1.5s, 2m or 1h"};
  };
  const std::string digits(text.substr(0, text.find_first_not_of("0123456789.")));
  const std::string_view unit = text.substr(digits.size());
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (digits.empty() || *end != '\0') return fail("it must begin with a number");
  double factor = 0;
  if (unit == "ms") factor = 1;
  else if (unit.empty() || unit == "s") factor = 1e3;
  else if (unit == "m" || unit == "min") factor = 60e3;
  else if (unit == "h") factor = 3'600e3;
  else return fail("the unit is not ms, s, m or h");
  const double result_ms = value * factor;
  if (result_ms < 1) return fail("it must be at least 1 ms");
  if (result_ms > 1e12) return fail("too long");
  return std::chrono::milliseconds(std::llround(result_ms));
}

}  // namespace tariff::ctl
