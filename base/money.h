// SPDX-License-Identifier: Apache-2.0
// Exact money. Prices are decimals in micro-cents (a millionth of a cent) with at most six places
// after the point, held as integers of 10^-6 micro-cent, so that no price and no sum of costs is
// ever rounded by binary floating point. The paper's prices are 0.3 .. 2.0 micro-cents per
// CPU-second (section 3.1 and 4.1).
//
//   auto price = Price::parse("1.5");            // micro-cents per CPU-second
//   cpu_cost(*price, 2'000'000us).text()         // "3"
//
// Units: Price = 10^-6 micro-cent per unit (CPU-second or GB-second); Cost = 10^-6 micro-cent.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tariff {

/// A price per CPU-second or per resident GB-second, in 10^-6 micro-cent.
struct Price {
  std::int64_t millionths = 0;

  /// Parses "2", "0.3", "1.500000". No sign, no exponent, at most six places, below 10^9.
  static Result<Price> parse(std::string_view text);
  /// Shortest exact decimal in micro-cents: "0.3".
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Price&) const = default;
};

/// An amount of money, in 10^-6 micro-cent.
struct Cost {
  std::int64_t millionths = 0;

  [[nodiscard]] std::string text() const;  ///< exact decimal in micro-cents
  Cost operator+(Cost other) const { return {millionths + other.millionths}; }
  Cost& operator+=(Cost other) { millionths += other.millionths; return *this; }
  auto operator<=>(const Cost&) const = default;
};

/// Resident bytes integrated over time. 128 bits: a terabyte held for a year is 3.2e25.
__extension__ using ByteMicroseconds = unsigned __int128;

/// CPU time x price, rounded to the nearest 10^-6 micro-cent (half up).
Cost cpu_cost(Price price, std::chrono::microseconds cpu);

/// Memory use x price; `used` = integral of resident bytes over time.
/// One GB is 10^9 bytes, as clouds bill it.
Cost memory_cost(Price price, ByteMicroseconds used);

}  // namespace tariff
