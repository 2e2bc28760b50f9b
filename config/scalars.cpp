// SPDX-License-Identifier: Apache-2.0
#include "config/scalars.h"

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace tariff::config {
namespace {

struct UnitName {
  std::string_view name;
  std::int64_t factor;
};

// From large to small, so that texts come out with the largest unit that fits.
constexpr UnitName kByteUnits[] = {
    {"TiB", std::int64_t{1} << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}};
constexpr UnitName kTimeUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1'000}, {"ms", 1}};

constexpr const char* kByteHint = "write bytes, or a whole number of KiB, MiB, GiB or TiB: 512MiB";
constexpr const char* kTimeHint = "write a whole number and ms, s, min, h or d: 500ms, 2s, 10min";

Error invalid(std::string_view text, const char* what, const char* hint) {
  constexpr std::size_t kMost = 60;
  std::string shown(text.substr(0, kMost));
  if (text.size() > kMost) shown += "...";
  return Error{ErrorKind::InvalidArgument, "'" + shown + "' is not " + what, hint};
}

/// "12ms" -> 12 and "ms"; empty if it does not begin with digits or is out of 64 bits.
std::optional<std::pair<std::int64_t, std::string_view>> split(std::string_view text) {
  std::int64_t number = 0;
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return std::pair(number, text.substr(static_cast<std::size_t>(end - text.data())));
}

template <std::size_t N>
std::optional<std::int64_t> scaled(std::string_view text, const UnitName (&units)[N],
                                   std::int64_t most) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  for (const auto& unit : units) {
    if (parts->second != unit.name) continue;
    if (parts->first > most / unit.factor) return std::nullopt;
    return parts->first * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

Result<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return invalid(text, "a whole number", "");
  return value;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto value = scaled(text, kByteUnits, std::numeric_limits<std::int64_t>::max());
  if (!value) return invalid(text, "a size", kByteHint);
  return static_cast<std::uint64_t>(*value);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::int64_t kMost = std::int64_t{1'000} * 86'400'000;
  const auto value = scaled(text, kTimeUnits, kMost);
  if (!value) return invalid(text, "a duration", kTimeHint);
  return std::chrono::milliseconds(*value);
}

Result<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return invalid(text, "true or false", "");
}

std::string bytes_text(std::uint64_t bytes) {
  for (const auto& unit : kByteUnits) {
    const auto factor = static_cast<std::uint64_t>(unit.factor);
    if (bytes >= factor && bytes % factor == 0)
      return std::to_string(bytes / factor) + std::string(unit.name);
  }
  return "0";
}

std::string duration_text(std::chrono::milliseconds duration) {
  for (const auto& unit : kTimeUnits)
    if (duration.count() >= unit.factor && duration.count() % unit.factor == 0)
      return std::to_string(duration.count() / unit.factor) + std::string(unit.name);
  return "0ms";
}

}  // namespace tariff::config
