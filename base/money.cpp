// SPDX-License-Identifier: Apache-2.0
#include "base/money.h"

#include <algorithm>

namespace tariff {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr int kPlaces = 6;
constexpr std::int64_t kLargestPrice = 1'000'000'000;  // micro-cents: ten dollars a CPU-second
constexpr std::int64_t kBytesPerGigabyte = 1'000'000'000;
__extension__ using Wide = unsigned __int128;

std::string decimal(std::int64_t millionths) {
  const bool negative = millionths < 0;
  const auto magnitude = negative ? -static_cast<std::uint64_t>(millionths)
                                  : static_cast<std::uint64_t>(millionths);
  std::string text = (negative ? "-" : "") + std::to_string(magnitude / kMillion);
  std::string places = std::to_string(magnitude % kMillion);
  places.insert(0, kPlaces - places.size(), '0');
  places.erase(places.find_last_not_of('0') + 1);
  return places.empty() ? text : text + "." + places;
}

/// value / divisor, half up, capped at what a Cost can hold.
Cost rounded(Wide value, Wide divisor) {
  const Wide result = (value + divisor / 2) / divisor;
  const Wide cap = INT64_MAX;
  return Cost{static_cast<std::int64_t>(std::min(result, cap))};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<Price> Price::parse(std::string_view text) {
  const auto fail = [&](const char* why) {
    return Error{ErrorKind::InvalidArgument, "\"" + std::string(text) + "\" is not a price: " + why,
                 "write micro-cents as a decimal such as 1.5"};
  };
  const auto point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view places = point == text.npos ? "" : text.substr(point + 1);
  if (whole.empty() || (point != text.npos && places.empty())) return fail("digits are missing");
  if (!std::all_of(whole.begin(), whole.end(), is_digit) ||
      !std::all_of(places.begin(), places.end(), is_digit))
    return fail("only digits and one point are allowed");
  if (places.size() > kPlaces) return fail("more than six places after the point");
  if (whole.size() > 10) return fail("too large");
  std::int64_t value = 0;
  for (const char c : whole) value = value * 10 + (c - '0');
  if (value > kLargestPrice) return fail("too large");
  for (int place = 0; place < kPlaces; ++place)
    value = value * 10 + (static_cast<std::size_t>(place) < places.size()
                              ? places[static_cast<std::size_t>(place)] - '0' : 0);
  return Price{value};
}

std::string Price::text() const { return decimal(millionths); }
std::string Cost::text() const { return decimal(millionths); }

Cost cpu_cost(Price price, std::chrono::microseconds cpu) {
  if (cpu.count() <= 0) return {};
  return rounded(static_cast<Wide>(price.millionths) * static_cast<Wide>(cpu.count()), kMillion);
}

Cost memory_cost(Price price, ByteMicroseconds used) {
  // Divide first only where the product would not fit into 128 bits.
  const Wide limit = ~static_cast<Wide>(0) / (static_cast<Wide>(price.millionths) + 1);
  const Wide divisor = static_cast<Wide>(kBytesPerGigabyte) * kMillion;
  if (used > limit) return rounded(used / kMillion * static_cast<Wide>(price.millionths),
                                   divisor / kMillion);
  return rounded(used * static_cast<Wide>(price.millionths), divisor);
}

}  // namespace tariff
