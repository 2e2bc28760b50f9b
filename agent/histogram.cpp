// SPDX-License-Identifier: Apache-2.0
#include "agent/histogram.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace tariff::agent {

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds), buckets_(bounds.size(), 0) {
  TARIFF_CHECK(std::is_sorted(bounds.begin(), bounds.end()), "bounds ascend");
}

void Histogram::observe(double value) {
  if (!(value > 0)) value = 0;  // also what is no number
  ++count_;
  sum_ += value;
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  if (bound != bounds_.end()) ++buckets_[static_cast<std::size_t>(bound - bounds_.begin())];
}

std::uint64_t Histogram::cumulative(std::size_t bound) const {
  const auto end = buckets_.begin() + static_cast<std::ptrdiff_t>(bound) + 1;
  return std::accumulate(buckets_.begin(), end, std::uint64_t{0});
}

}  // namespace tariff::agent
