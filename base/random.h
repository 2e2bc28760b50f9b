// SPDX-License-Identifier: Apache-2.0
// Randomness as an argument: policies that toss coins are given one of these, so that a test or a
// simulation repeats exactly. The distributions of <random> differ between standard libraries; what
// is here does not.
//
// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021) seeded
// by splitmix64, as its authors advise: 256 bits of state, a few nanoseconds a number. Not for
// secrets.
// Threading: plain value.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace tariff {

class Random {
 public:
  /// `stream` tells apart generators of one seed: each machine has its own, so that what one draws
  /// does not depend on when the others draw.
  explicit constexpr Random(std::uint64_t seed, std::uint64_t stream = 0) {
    std::uint64_t mixed = seed ^ (stream * 0xD1342543DE82EF95ULL);
    for (auto& word : state_) word = splitmix(mixed);
  }

  constexpr std::uint64_t next() {
    const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

  /// Uniform in [0, bound); bound is not 0. Lemire's multiplication without his rejection: some
  /// numbers are likelier than others by at most bound / 2^32.
  constexpr std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

  /// Uniform in [0, 1), 53 bits.
  constexpr double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  static constexpr std::uint64_t splitmix(std::uint64_t& state) {
    state += 0x9E3779B97F4A7C15ULL;
    std::uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    return mixed ^ (mixed >> 31);
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace tariff
