// SPDX-License-Identifier: Apache-2.0
// The page that Prometheus reads, in its text format 0.0.4. What each metric means is in
// docs/operator.md; a metric is always there, at 0 if nothing happened. The number of series is
// bounded by classes x (end reasons + buckets): nothing is labelled by job, function or caller.
// prometheus-cpp is used here only, for the format.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/metrics_snapshot.h"

namespace tariff::agent {

/// What the cgroup of a class says. A figure that cannot be read is 0.
struct ClassCgroup {
  std::chrono::microseconds cpu{0};              ///< of all jobs the class ever had
  std::chrono::microseconds cpu_pressure{0};     ///< "some" total
  std::chrono::microseconds memory_pressure{0};  ///< "some" total
  std::uint64_t memory_bytes = 0;
  std::uint64_t swap_bytes = 0;
};

struct MemoryFigures {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};

/// `cgroups`: as snapshot.classes.
std::string metrics_text(const MetricsSnapshot& snapshot, const std::vector<ClassCgroup>& cgroups,
                         const MemoryFigures& memory);

}  // namespace tariff::agent
