// SPDX-License-Identifier: Apache-2.0
// Does a class wait for memory that others hold? From the exact total= of its memory.pressure, not
// from the averages (a 2 s timer) and not from triggers alone (psimon is FIFO 1 and starves).
//
// What does not count:
//   - a job's wait at its own memory_max: its total= is taken off the class's;
//   - a task that only lacks a CPU: one that is preempted within reclaim goes on being counted as
//     waiting for memory. So a wait counts only if something happened: pages of the class were
//     faulted in again, or the class used CPU while tasks had to reclaim memory themselves.
// Units: nanoseconds; shares of wall time 0..1. Threading: plain values.
#pragma once

#include <cstdint>
#include <optional>

#include "swap/model.h"

namespace tariff::swap {

struct PressureSettings {
  /// Suffers from here on: 10 ms of the 500 ms between two looks.
  double enter = 0.02;
  /// ... and no more once it was below this for `calm`. The aim is under 1 % of a run.
  double leave = 0.005;
  Duration calm = std::chrono::seconds(1);
  /// Looks closer together than this are taken together: a tick is 4 ms (HZ=250).
  Duration shortest = std::chrono::milliseconds(50);
};

/// What is read of one class; all but `now` only grow.
struct PressureSample {
  Time now{0};
  Duration waited{0};                ///< memory.pressure of the class, some, total=
  Duration waited_at_own_limit{0};   ///< the same of its jobs that hit their memory_max, summed
  std::uint64_t faulted_in = 0;      ///< memory.stat: pgmajfault + workingset_refault_*
  std::uint64_t direct_reclaims = 0; ///< /proc/vmstat allocstall_*: of the whole machine
  Duration cpu{0};                   ///< cpu.stat usage_usec of the class
};

class PressureMeter {
 public:
  explicit PressureMeter(const PressureSettings& settings) : settings_(settings) {}

  void sample(const PressureSample& sample);

  [[nodiscard]] double share() const { return share_; }  ///< of the last period, what counts
  [[nodiscard]] bool suffers() const { return suffers_; }
  [[nodiscard]] Time suffers_since() const { return since_; }

 private:
  void judge(Time now);

  PressureSettings settings_;
  std::optional<PressureSample> last_;
  double share_ = 0;
  bool suffers_ = false;
  Time since_{0};
  std::optional<Time> calm_since_;
};

/// The part of the wait between two looks that counts.
Duration wait_that_counts(const PressureSample& before, const PressureSample& after);

}  // namespace tariff::swap
