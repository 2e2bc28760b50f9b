// SPDX-License-Identifier: Apache-2.0
// How loaded this machine is, from plain samples: who runs and who waits for a CPU, and the
// latency of recent jobs. Pure; the sampling is in agent/machine.h.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tariff::agent {

/// One placed job as seen in /proc at one moment.
struct JobSample {
  int rank = 0;        ///< of its class
  bool has_run = true; ///< false: it has had no CPU in its class yet
  char state = 'S';    ///< of its main process, as in /proc/PID/stat
};

struct RankLoad {
  int running = 0;
  int waiting = 0;
};

/// Splits placed jobs into running and waiting, per rank (index rank-1, `ranks` entries).
/// A runnable job runs if one of `cpus` CPUs is left for it after the runnable jobs of higher
/// rank, and after earlier ones of its own; the others wait. One that sleeps (I/O, a timer) counts
/// as running: it does not lack a CPU. An estimate: it looks at main processes only.
std::vector<RankLoad> split_load(const std::vector<JobSample>& jobs, int ranks, int cpus);

/// The last 1,024 latencies (or waits) of a class; percentiles by nearest rank.
class LatencyWindow {
 public:
  void add(std::chrono::microseconds latency);
  /// permille 500 = median, 990 = p99; zero while empty.
  [[nodiscard]] std::chrono::microseconds percentile(int permille) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kCapacity = 1'024;
  std::array<std::int64_t, kCapacity> values_{};
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tariff::agent
