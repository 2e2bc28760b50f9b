// SPDX-License-Identifier: Apache-2.0
// Earliest deadline first over one pool of all cores, preemptive: deadline = arrival + runtime x
// highest price / price (the paper, 4.2). It knows every runtime, which no real system does.
//
// Three heaps: ends of those that run, deadlines of those that run (latest first, with stale
// entries skipped), deadlines of those that wait. O(log jobs) an event.
// Threading: one run is one thread's.
#pragma once

#include <vector>

#include "sim/event_heap.h"
#include "sim/machine.h"

namespace tariff::sim {

class EdfMachine {
 public:
  /// `slack`: highest price / price, by rank.
  void set_up(const MachineContext& context, std::vector<double> slack);
  void advance(Nanos to);
  void place(JobIndex job, Nanos now, Nanos start_delay = 0);
  [[nodiscard]] const scheduler::JobsByClass& on() const { return on_; }
  void close(Nanos end);

 private:
  struct Due {
    Nanos deadline = 0;
    std::uint64_t id = 0;  ///< of the job: a slot may hold another one by now
    JobIndex job = kNone;
  };
  [[nodiscard]] Due due(JobIndex job) const;
  [[nodiscard]] bool stale(const Due& entry) const;
  void start(const Due& entry, Nanos now);
  void wait(const Due& entry);
  void check() const;

  scheduler::JobsByClass on_;
  MachineContext context_;
  std::vector<double> slack_;
  EventHeap ends_;
  std::vector<Due> running_;  ///< heap, the latest deadline first
  std::vector<Due> waiting_;  ///< heap, the earliest first
  BusyMeter busy_;
};

}  // namespace tariff::sim
