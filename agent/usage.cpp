// SPDX-License-Identifier: Apache-2.0
#include "agent/usage.h"

#include <algorithm>

namespace tariff::agent {

std::vector<RankLoad> split_load(const std::vector<JobSample>& jobs, int ranks, int cpus) {
  std::vector<RankLoad> loads(static_cast<std::size_t>(ranks));
  std::vector<int> runnable(loads.size(), 0);
  for (const auto& job : jobs) {
    if (job.rank < 1 || job.rank > ranks) continue;
    const auto index = static_cast<std::size_t>(job.rank - 1);
    if (!job.has_run)
      ++loads[index].waiting;
    else if (job.state == 'R')
      ++runnable[index];
    else
      ++loads[index].running;
  }
  int cpus_left = cpus;
  for (std::size_t index = loads.size(); index-- > 0;) {
    const int on_cpu = std::min(runnable[index], cpus_left);
    cpus_left -= on_cpu;
    loads[index].running += on_cpu;
    loads[index].waiting += runnable[index] - on_cpu;
  }
  return loads;
}

void LatencyWindow::add(std::chrono::microseconds latency) {
  values_[next_] = latency.count();
  next_ = (next_ + 1) % kCapacity;
  size_ = std::min(size_ + 1, kCapacity);
}

std::chrono::microseconds LatencyWindow::percentile(int permille) const {
  if (size_ == 0) return std::chrono::microseconds{0};
  std::vector<std::int64_t> sorted(values_.begin(), values_.begin() + static_cast<long>(size_));
  const std::size_t rank = (size_ * static_cast<std::size_t>(permille) + 999) / 1000;
  const auto nth = sorted.begin() + static_cast<long>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return std::chrono::microseconds{*nth};
}

}  // namespace tariff::agent
