// SPDX-License-Identifier: Apache-2.0
// Processor sharing as the author's simulator approximates it, tick by tick: at each tick the
// machine's jobs, in placement order, are dealt round-robin to its cores; on each core in turn a
// job gets the time left on the core / the jobs left on it, and what a short job leaves goes to
// those behind it on the same core. A core whose jobs end early idles until the next tick: with
// more than one job per core that is where this model falls behind exact sharing
// (sim/ps_machine.h). Costs: O(jobs) a tick. Threading: one run is one thread's.
#pragma once

#include <vector>

#include "sim/machine.h"

namespace tariff::sim {

class PsTickMachine {
 public:
  void set_up(const MachineContext& context);
  void advance(Nanos to) {
    while (tick_ + kTick <= to) run_tick();
  }
  /// In between two ticks it waits for the next one.
  void place(JobIndex job, Nanos now, Nanos start_delay = 0);
  [[nodiscard]] const scheduler::JobsByClass& on() const { return on_; }
  void close(Nanos end) { advance(end); }

 private:
  struct Share {
    Nanos remaining = 0;
    JobIndex job = kNone;
  };
  struct Core {
    Nanos left = 0;
    Nanos jobs = 0;
  };
  void run_tick();

  Nanos tick_ = 0;  ///< the next one to run begins here
  scheduler::JobsByClass on_;
  MachineContext context_;
  std::vector<Share> shares_;  ///< in placement order
  std::vector<Core> cores_;
  BusyMeter busy_;
};

}  // namespace tariff::sim
