// SPDX-License-Identifier: Apache-2.0
// A machine under SCHED_FIFO, exactly: a higher class preempts a lower one at once, within a class
// the first to come is the first served, and who is preempted goes on where it was. With one
// machine that has all cores it is the ideal system's pool.
//
// Per class there is one list in order of arrival, of which the running jobs are a prefix: so who
// is preempted (the last that runs of the lowest class that runs) and who is next (the first that
// does not) are found at once. Costs: O(log cores) an event, O(classes) to find the next.
// Threading: one run is one thread's.
#pragma once

#include <array>

#include "sim/event_heap.h"
#include "sim/machine.h"

namespace tariff::sim {

class MachineMemory;

class PriorityMachine {
 public:
  void set_up(const MachineContext& context, MachineMemory* memory = nullptr);

  void advance(Nanos to) {
    if (to >= next_) run_events(to);
  }
  /// Requires: advanced to now. `start_delay`: how long it starts before it wants a CPU.
  void place(JobIndex job, Nanos now, Nanos start_delay = 0);
  [[nodiscard]] const scheduler::JobsByClass& on() const { return on_; }
  /// The run is over: what is still here is unfinished.
  void close(Nanos end);

  // For the machine's memory: a suspended job gets no CPU; it stays on the machine.
  void suspend(JobIndex job, Nanos now);
  void resume(JobIndex job, Nanos now);
  /// Its memory is taken for good.
  void kill(JobIndex job, Nanos now);
  /// CPU time it still needs.
  [[nodiscard]] Nanos remaining(JobIndex job, Nanos now) const;
  /// The memory wants to be asked at another time than before.
  void reschedule() { find_next(); }
  /// Jobs of the class that run or want to.
  [[nodiscard]] std::uint32_t runnable(int rank) const { return runnable_[slot(rank)]; }
  [[nodiscard]] std::uint32_t id() const { return context_.id; }
  [[nodiscard]] std::uint32_t cores() const { return context_.cores; }
  [[nodiscard]] const Jobs& jobs() const { return *context_.jobs; }

 private:
  /// With the numbers of the jobs at its ends, so that these need not be looked at.
  struct List {
    JobIndex first = kNone;
    JobIndex last = kNone;
    JobIndex last_running = kNone;
    std::uint64_t last_id = 0;
    std::uint64_t last_running_id = 0;
  };

  static std::size_t slot(int rank) { return static_cast<std::size_t>(rank) - 1; }
  Job& job(JobIndex index) const { return (*context_.jobs)[index]; }
  void run_events(Nanos to);
  void run_event(Nanos now);
  void enter(JobIndex index, Nanos now);
  void leave(JobIndex index, Nanos now);
  void insert(JobIndex index);
  void unlink(JobIndex index);
  void start(JobIndex index, Nanos now);
  void stop(JobIndex index, Nanos now);
  void fill(Nanos now);
  void end_slice(JobIndex index, Nanos now);
  void set_last_running(List& list, JobIndex index) const {
    list.last_running = index;
    if (index != kNone) list.last_running_id = job(index).id;
  }
  [[nodiscard]] JobIndex next_waiting(std::size_t rank) const;
  [[nodiscard]] int lowest_running() const;
  void account(Nanos now) { busy_.until(now, static_cast<double>(ends_.size())); }
  void find_next();
  void check() const;

  Nanos next_ = kNever;  ///< the next event: what a look touches first
  scheduler::JobsByClass on_;
  MachineContext context_;
  MachineMemory* memory_ = nullptr;
  int classes_ = 0;  ///< the highest rank seen
  std::array<List, kMostClasses> lists_;
  std::array<std::uint32_t, kMostClasses> runnable_{};
  EventHeap ends_;   ///< of running jobs: when they end or block
  EventHeap wakes_;  ///< of blocked jobs
  BusyMeter busy_;
};

}  // namespace tariff::sim
