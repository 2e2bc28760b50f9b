// SPDX-License-Identifier: Apache-2.0
// Counts of observations by size, as Prometheus wants them: cumulative over the life of the agent,
// in fixed buckets. Pure.
//
//   Histogram latency(kLatencyBounds);
//   latency.observe(0.012);
//   latency.cumulative(0);   // how many were at most kLatencyBounds[0]
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tariff::agent {

class Histogram {
 public:
  Histogram() = default;
  /// `bounds`: upper bounds (inclusive), ascending; what is above the last counts in count() only.
  /// They must outlive the histogram.
  explicit Histogram(std::span<const double> bounds);

  /// Values that are negative or no number count as 0.
  void observe(double value);

  [[nodiscard]] std::span<const double> bounds() const { return bounds_; }
  [[nodiscard]] std::uint64_t cumulative(std::size_t bound) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> buckets_;  ///< one per bound, not cumulative
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace tariff::agent
