// SPDX-License-Identifier: Apache-2.0
// The memory of one machine, as the machine sees it: told of what happens to jobs, and asked when
// something is due. It answers by suspending and resuming jobs. Models: sim/instant_swap.h (the
// author's, which takes no time) and sim/policy_swap.h (swap/policy on a device with a speed).
// Threading: one run is one thread's.
#pragma once

#include <memory>
#include <vector>

#include "sim/machine.h"

namespace tariff::sim {

class PriorityMachine;

class MachineMemory {
 public:
  virtual ~MachineMemory() = default;

  virtual void placed(PriorityMachine& machine, JobIndex job, Nanos now) = 0;
  virtual void ran(JobIndex job) = 0;
  /// It ended; how often it was swapped out.
  virtual std::uint16_t ended(JobIndex job, bool finished) = 0;

  [[nodiscard]] virtual Nanos next() const = 0;
  virtual void run(PriorityMachine& machine, Nanos now) = 0;

  /// What it tells shards: less what waits to come back.
  [[nodiscard]] virtual std::uint64_t free_kb() const = 0;
  [[nodiscard]] virtual int suffers() const = 0;  ///< the highest class; 0: none
};

}  // namespace tariff::sim
