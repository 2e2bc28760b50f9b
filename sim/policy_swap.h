// SPDX-License-Identifier: Apache-2.0
// A machine's memory under swap/policy: the shipped meters sense, the shipped decide() says who
// leaves and who comes back, and a device with a speed moves memory while the others compute. The
// policy is linked, not imitated: what is simulated is the machine under it.
//
// The memory model: a job grows as the growth switch says, spread evenly over the CPU time of a
// tick. It touches the hot part of its memory all the time; what of that is in swap must come in
// before it goes on. A job that wants memory when none is free stalls, and the kernel, which knows
// no classes, takes from whoever has most. The machine looks every `step`, and asks the policy when
// its look_again is over or somebody stalled (the trigger).
// Threading: one run is one thread's.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "sim/job_memory.h"
#include "sim/machine_memory.h"
#include "sim/policy_swap_settings.h"
#include "swap/headroom.h"
#include "swap/policy.h"
#include "swap/pressure.h"

namespace tariff::sim {

class PolicySwap : public MachineMemory {
 public:
  PolicySwap(const MemorySettings& memory, const PolicySwapSettings& settings, MemoryStats& stats,
             std::uint64_t seed, std::uint32_t machine);

  void placed(PriorityMachine& machine, JobIndex job, Nanos now) override;
  void ran(JobIndex) override {}
  std::uint16_t ended(JobIndex job, bool finished) override;
  [[nodiscard]] Nanos next() const override { return next_; }
  void run(PriorityMachine& machine, Nanos now) override;
  [[nodiscard]] std::uint64_t free_kb() const override;
  [[nodiscard]] int suffers() const override;

 private:
  struct Entry {
    JobIndex job = kNone;
    swap::JobView view;
    swap::Bytes most = 0;
    double wanted = 0;       ///< bytes that it has or waits for
    double goal = 0;         ///< Random: where this tick's growth leads
    double pace = 0;         ///< bytes per nanosecond of CPU time
    Nanos remaining = 0;     ///< CPU time, at the last step
    swap::Bytes coming = 0;
    swap::Bytes paged = 0;
    swap::Bytes faulted = 0;
    std::uint64_t moved_out = 0;
    std::uint16_t swap_outs = 0;
    bool stalled = false;
    bool suspended = false;  ///< as the machine knows it
  };

  [[nodiscard]] swap::Bytes free() const { return ram_ - used_; }
  [[nodiscard]] swap::Bytes swap_left() const;
  [[nodiscard]] swap::Bytes moved_per_step(double megabytes_per_second) const;
  /// The policy's time: ticks may stand for other than seconds.
  [[nodiscard]] swap::Time time_of(Nanos ticks) const {
    return swap::Time(static_cast<Nanos>(static_cast<double>(ticks) * settings_.tick_seconds));
  }
  Entry* find(const std::string& id);
  void step(PriorityMachine& machine, Nanos now);
  void draw_goal(Entry& entry);
  void grow(Entry& entry, Nanos progress);
  void fault(Entry& entry, swap::Bytes& budget);
  void take(Entry& entry, swap::Bytes bytes);
  void give(Entry& entry, swap::Bytes bytes, bool to_swap);
  void stall(Entry& entry);
  void reclaim_by_kernel(swap::Bytes bytes);
  void move(Nanos now);
  void move_out(Entry& entry, Nanos now, swap::Bytes& budget);
  void move_in(Entry& entry, Nanos now, swap::Bytes& budget);
  void settle(PriorityMachine& machine, Nanos now);
  void sense(Nanos now);
  void ask(PriorityMachine& machine, Nanos now);
  void act(PriorityMachine& machine, Nanos now, const swap::Action& action,
           const swap::Snapshot& snapshot);
  void leave(Entry& entry, const swap::Action& action, const swap::Snapshot& snapshot);
  [[nodiscard]] swap::Snapshot snapshot(const PriorityMachine& machine, Nanos now) const;
  void sample(Nanos now);
  void check() const;

  MemorySettings memory_settings_;
  PolicySwapSettings settings_;
  MemoryStats& stats_;
  Random random_;
  std::uint32_t machine_;
  swap::Bytes ram_;
  swap::Bytes used_ = 0;
  swap::Bytes out_ = 0;
  swap::Bytes released_ = 0;
  std::vector<Entry> entries_;
  Nanos next_;
  Nanos next_look_ = 0;
  bool trigger_ = false;
  swap::GrowthMeter growth_;
  swap::HeadroomLevel level_;
  swap::MemoryView view_;
  struct Class {
    swap::PressureMeter meter{swap::PressureSettings{}};
    swap::Duration waited{0};
    swap::Duration cpu{0};
    std::uint64_t faulted = 0;
  };
  std::array<Class, kMostClasses> classes_{};
  std::uint64_t reclaims_ = 0;
  swap::Bytes free_at_tick_ = 0;
};

}  // namespace tariff::sim
