// SPDX-License-Identifier: Apache-2.0
// Swapping as the author's simulator does it: it takes no time, and there is no headroom. Used =
// the memory of jobs that are not swapped. After each placement and each tick, while used > RAM
// the job of the lowest price leaves, the first in queue order within it; at the start of a tick,
// and at its end when nobody had to leave, those of the highest price that fit come back. A
// swapped job never runs.
// Threading: one run is one thread's.
#pragma once

#include "sim/job_memory.h"
#include "sim/machine_memory.h"

namespace tariff::sim {

class InstantSwap : public MachineMemory {
 public:
  InstantSwap(const MemorySettings& settings, MemoryStats& stats, std::uint64_t seed,
              std::uint32_t machine)
      : settings_(settings), stats_(stats), random_(seed, machine + 1), machine_(machine),
        free_at_start_(settings.ram) {}

  void placed(PriorityMachine& machine, JobIndex job, Nanos now) override;
  void ran(JobIndex job) override { stats_.of(job).ran = true; }
  std::uint16_t ended(JobIndex job, bool finished) override;
  [[nodiscard]] Nanos next() const override { return next_; }
  void run(PriorityMachine& machine, Nanos now) override;
  [[nodiscard]] std::uint64_t free_kb() const override {
    return used_ < settings_.ram ? settings_.ram - used_ : 0;
  }
  [[nodiscard]] int suffers() const override { return 0; }

 private:
  void start_tick(PriorityMachine& machine, Nanos now);
  void end_tick(PriorityMachine& machine, Nanos now);
  void grow(PriorityMachine& machine, Nanos now);
  bool swap_out(PriorityMachine& machine, Nanos now);
  void swap_in(PriorityMachine& machine, Nanos now);
  void check() const;

  MemorySettings settings_;
  MemoryStats& stats_;
  Random random_;
  std::uint32_t machine_;
  std::vector<JobIndex> jobs_;  ///< in placement order
  std::uint64_t used_ = 0;      ///< kB of jobs that are in
  std::uint64_t free_at_start_;
  std::uint32_t out_ = 0;       ///< jobs in swap
  bool at_start_ = true;        ///< the next event is a tick's start, not its end
  Nanos next_ = 1;              ///< a start comes after the placements of its instant
};

}  // namespace tariff::sim
