// SPDX-License-Identifier: Apache-2.0
// Where machines report that a job has ended, and what a run keeps of it. Slowdown = latency /
// runtime (for jobs that block: / runtime and time blocked by itself).
//
// The digest sums one hash per ended job, so it does not depend on the order in which machines are
// looked at, and two runs that differ in any end, class or count differ in it.
// Threading: one per run.
#pragma once

#include <array>
#include <vector>

#include "sim/model.h"

namespace tariff::sim {

/// One ended job in full, where a figure or --jobs-csv needs it.
struct Outcome {
  std::uint64_t id = 0;
  Nanos arrived = 0;
  Nanos runtime = 0;
  Nanos latency = 0;  ///< unfinished: age at the end of the run
  std::uint16_t function = 0;
  std::uint8_t rank = 1;
  bool finished = true;
  bool killed = false;
  std::uint32_t machine = 0;
  std::uint16_t swap_outs = 0;
};

class Sink {
 public:
  explicit Sink(bool keep_all) : keep_all_(keep_all) {}

  /// `alone`: how long it would have taken on an idle machine.
  void finished(const Job& job, Nanos end, Nanos alone, std::uint32_t machine,
                std::uint16_t swap_outs = 0) {
    const Nanos latency = end - job.arrived;
    slowdowns_[index(job)].push_back(ratio(latency, alone));
    ++count_;
    digest_ += mix(job.id * 0x9E3779B97F4A7C15ULL ^ static_cast<std::uint64_t>(end) ^
                   static_cast<std::uint64_t>(job.rank) << 56);
    if (keep_all_)
      all_.push_back({job.id, job.arrived, job.runtime, latency, job.function, job.rank, true,
                      false, machine, swap_outs});
  }
  /// Killed for memory, or rejected by a shard: it has no latency.
  void lost(const Job& job, Nanos at, bool killed, std::uint32_t machine) {
    ++lost_[index(job)];
    ++count_;
    digest_ += mix(job.id ^ ~static_cast<std::uint64_t>(at));
    if (keep_all_)
      all_.push_back({job.id, job.arrived, job.runtime, at - job.arrived, job.function, job.rank,
                      false, killed, machine, 0});
  }
  /// The run is over and it has not ended.
  void unfinished(const Job& job, Nanos end, Nanos alone) {
    censored_[index(job)].push_back(ratio(end - job.arrived, alone));
    digest_ += mix(job.id ^ 0xA5A5A5A5A5A5A5A5ULL);
    if (keep_all_)
      all_.push_back({job.id, job.arrived, job.runtime, end - job.arrived, job.function, job.rank,
                      false, false, 0, 0});
  }

  using ByClass = std::array<std::vector<float>, kMostClasses>;
  [[nodiscard]] ByClass& slowdowns() { return slowdowns_; }
  [[nodiscard]] ByClass& censored() { return censored_; }
  [[nodiscard]] const std::array<std::uint64_t, kMostClasses>& lost_jobs() const { return lost_; }
  [[nodiscard]] std::vector<Outcome>& all() { return all_; }
  [[nodiscard]] std::uint64_t ended() const { return count_; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

 private:
  static std::size_t index(const Job& job) { return job.rank - 1U; }
  static float ratio(Nanos latency, Nanos alone) {
    return static_cast<float>(static_cast<double>(latency) / static_cast<double>(alone));
  }
  static std::uint64_t mix(std::uint64_t value) {  // murmur3's finaliser
    value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCDULL;
    value = (value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53ULL;
    return value ^ (value >> 33);
  }

  bool keep_all_;
  ByClass slowdowns_;
  ByClass censored_;
  std::array<std::uint64_t, kMostClasses> lost_{};
  std::vector<Outcome> all_;
  std::uint64_t count_ = 0;
  std::uint64_t digest_ = 0;
};

}  // namespace tariff::sim
