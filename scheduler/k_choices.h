// SPDX-License-Identifier: Apache-2.0
// The power of k choices: look at k of n at random, take the least loaded. For machines (fewest
// jobs) and for shards (fewest entries in the idle list). The k are different ones; among equals
// the first looked at wins, and their order is random.
// Cost: O(k^2) for k up to about 10, without memory of its own: a set would be slower.
// Threading: pure functions; the generator is the caller's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace tariff::scheduler {

/// Fills `out` with k different numbers below n in random order; all n, from a random one on, if k
/// is not smaller.
void sample(std::uint32_t n, std::uint32_t k, Random& random, std::vector<std::uint32_t>& out);

/// The element of `candidates` for which load(candidate) is smallest, the first among equals.
/// Requires: not empty.
template <typename Load>
std::uint32_t least_of(std::span<const std::uint32_t> candidates, Load&& load) {
  std::uint32_t best = candidates.front();
  auto least = load(best);
  for (const auto candidate : candidates.subspan(1)) {
    const auto its = load(candidate);
    if (its >= least) continue;
    least = its;
    best = candidate;
  }
  return best;
}

}  // namespace tariff::scheduler
