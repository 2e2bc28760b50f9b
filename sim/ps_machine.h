// SPDX-License-Identifier: Apache-2.0
// Processor sharing, exactly: n jobs on c cores each advance at rate min(1, c / n). That is what
// Hermod's machines do if time slices were arbitrarily small.
//
// All jobs receive the same service, so one number, the service a job present all the time would
// have had, and a heap of "ends at that much service" are enough: O(log jobs) an event.
// Service is a double in nanoseconds: after a run of a day its error is below a nanosecond.
// Threading: one run is one thread's.
#pragma once

#include <vector>

#include "sim/machine.h"

namespace tariff::sim {

class PsMachine {
 public:
  void set_up(const MachineContext& context);
  void advance(Nanos to) {
    if (to >= next_) run_events(to);
  }
  void place(JobIndex job, Nanos now, Nanos start_delay = 0);
  [[nodiscard]] const scheduler::JobsByClass& on() const { return on_; }
  void close(Nanos end);

 private:
  struct End {
    double service = 0;
    JobIndex job = kNone;
  };
  [[nodiscard]] double rate() const;
  void serve(Nanos now);
  void run_events(Nanos to);
  void find_next();

  Nanos next_ = kNever;
  scheduler::JobsByClass on_;
  MachineContext context_;
  double service_ = 0;
  Nanos served_at_ = 0;
  std::vector<End> ends_;  ///< heap, the least service first
  BusyMeter busy_;
};

}  // namespace tariff::sim
