// SPDX-License-Identifier: Apache-2.0
#include "sim/instant_swap.h"

#include <algorithm>

#include "base/check.h"
#include "sim/priority_machine.h"

namespace tariff::sim {

void InstantSwap::placed(PriorityMachine& machine, JobIndex job, Nanos now) {
  jobs_.push_back(job);
  used_ += stats_.of(job).size;
  bool more = true;
  while (more && used_ > settings_.ram) more = swap_out(machine, now);
}

std::uint16_t InstantSwap::ended(JobIndex job, bool finished) {
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), job));
  const auto& its = stats_.of(job);
  if (its.out) --out_;
  else used_ -= its.size;
  if (finished) stats_.moved_out[machine_] += its.moved_out;
  return its.swap_outs;
}

/// A tick's start is a nanosecond late, so that the jobs that arrive with it are there already.
void InstantSwap::run(PriorityMachine& machine, Nanos now) {
  if (at_start_) {
    start_tick(machine, now);
    next_ = now - 1 + kTick;
  } else {
    end_tick(machine, now);
    next_ = now + 1;
  }
  at_start_ = !at_start_;
  if (kChecking) check();
}

void InstantSwap::start_tick(PriorityMachine& machine, Nanos now) {
  swap_in(machine, now);
  free_at_start_ = free_kb();
}

void InstantSwap::end_tick(PriorityMachine& machine, Nanos now) {
  grow(machine, now);
  if (used_ <= settings_.ram) {
    swap_in(machine, now);
  } else {
    bool more = true;
    while (more && used_ > settings_.ram) more = swap_out(machine, now);
  }
  if (now / kTick <= stats_.used.first) return;
  const double free = static_cast<double>(free_at_start_ + free_kb()) / 2;
  stats_.used.values.push_back(static_cast<float>(1 - free / settings_.ram));
}

void InstantSwap::grow(PriorityMachine& machine, Nanos now) {
  for (const JobIndex index : jobs_) {
    auto& its = stats_.of(index);
    if (its.ran && !its.out) {
      const Kilobytes before = its.size;
      if (settings_.growth == Growth::Random) {
        its.size += random_.below(its.most - its.size + 1);
      } else if (settings_.growth == Growth::Linear) {
        const auto& job = machine.jobs()[index];
        const double done = 1 - static_cast<double>(machine.remaining(index, now)) /
                                    static_cast<double>(job.runtime);
        const auto first = std::min(settings_.start, its.most);
        its.size = first + static_cast<Kilobytes>(done * (its.most - first));
      }
      used_ += its.size - before;
    }
    its.ran = machine.jobs()[index].state == kRunning;
  }
}

bool InstantSwap::swap_out(PriorityMachine& machine, Nanos now) {
  JobIndex victim = kNone;
  for (const JobIndex index : jobs_) {
    if (stats_.of(index).out) continue;
    if (victim == kNone || machine.jobs()[index].rank < machine.jobs()[victim].rank)
      victim = index;
  }
  if (victim == kNone) return false;
  auto& its = stats_.of(victim);
  its.out = true;
  its.moved_out += its.size;
  if (its.swap_outs++ == 0) ++stats_.swapped[machine.jobs()[victim].rank - 1U];
  ++stats_.swap_outs;
  ++out_;
  used_ -= its.size;
  machine.suspend(victim, now);
  return true;
}

void InstantSwap::swap_in(PriorityMachine& machine, Nanos now) {
  while (out_ > 0) {
    JobIndex best = kNone;
    for (const JobIndex index : jobs_) {
      const auto& its = stats_.of(index);
      if (!its.out || used_ + its.size > settings_.ram) continue;
      if (best == kNone || machine.jobs()[index].rank > machine.jobs()[best].rank) best = index;
    }
    if (best == kNone) return;
    auto& its = stats_.of(best);
    its.out = false;
    ++stats_.swap_ins;
    --out_;
    used_ += its.size;
    machine.resume(best, now);
  }
}

/// Memory is conserved.
void InstantSwap::check() const {
  std::uint64_t used = 0;
  std::uint32_t out = 0;
  for (const JobIndex index : jobs_) {
    const auto& its = stats_.jobs[index];
    TARIFF_CHECK(its.size <= its.most, "no job is larger than it may be");
    if (its.out) ++out;
    else used += its.size;
  }
  TARIFF_CHECK(used == used_ && out == out_, "memory is conserved");
}

}  // namespace tariff::sim
