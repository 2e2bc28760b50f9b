// SPDX-License-Identifier: Apache-2.0
#include "sim/priority_machine.h"

#include <algorithm>

#include "base/check.h"
#include "sim/machine_memory.h"

namespace tariff::sim {

void PriorityMachine::set_up(const MachineContext& context, MachineMemory* memory) {
  context_ = context;
  memory_ = memory;
  ends_.set_up(context.cores);
  busy_.set_up(context.cores, context.busy);
  find_next();
}

void PriorityMachine::find_next() {
  next_ = ends_.empty() ? kNever : ends_.first().at;
  if (!wakes_.empty()) next_ = std::min(next_, wakes_.first().at);
  if (memory_ != nullptr) next_ = std::min(next_, memory_->next());
}

void PriorityMachine::run_events(Nanos to) {
  while (next_ <= to) {
    run_event(next_);
    find_next();
    if (kChecking) check();
  }
}

/// Ends come before what the memory does at the same moment: what ended needs none any more.
void PriorityMachine::run_event(Nanos now) {
  if (!ends_.empty() && ends_.first().at == now) {
    end_slice(ends_.first().job, now);
  } else if (!wakes_.empty() && wakes_.first().at == now) {
    const JobIndex woken = wakes_.first().job;
    wakes_.remove(*context_.jobs, woken);
    job(woken).state = kWaiting;
    enter(woken, now);
  } else {
    memory_->run(*this, now);
  }
}

void PriorityMachine::place(JobIndex index, Nanos now, Nanos start_delay) {
  const int rank = job(index).rank;
  classes_ = std::max(classes_, rank);
  on_.add(rank);
  if (start_delay > 0) {
    job(index).state = kBlocked;
    wakes_.add(*context_.jobs, now + start_delay, index);
  } else {
    enter(index, now);
  }
  if (memory_ != nullptr) memory_->placed(*this, index, now);
  find_next();
  if (kChecking) check();
}

JobIndex PriorityMachine::next_waiting(std::size_t rank) const {
  const auto& list = lists_[rank];
  return list.last_running == kNone ? list.first : job(list.last_running).after;
}

int PriorityMachine::lowest_running() const {
  for (int rank = 1; rank <= classes_; ++rank)
    if (lists_[slot(rank)].last_running != kNone) return rank;
  return 0;
}

/// Into its class's list, by arrival; mostly at the end.
void PriorityMachine::insert(JobIndex index) {
  auto& its = job(index);
  auto& list = lists_[slot(its.rank)];
  JobIndex before = list.last;
  if (before != kNone && list.last_id > its.id)
    while (before != kNone && job(before).id > its.id) before = job(before).before;
  its.before = before;
  its.after = before == kNone ? list.first : before == list.last ? kNone : job(before).after;
  (its.before == kNone ? list.first : job(its.before).after) = index;
  (its.after == kNone ? list.last : job(its.after).before) = index;
  if (its.after == kNone) list.last_id = its.id;
}

void PriorityMachine::unlink(JobIndex index) {
  auto& its = job(index);
  auto& list = lists_[slot(its.rank)];
  (its.before == kNone ? list.first : job(its.before).after) = its.after;
  (its.after == kNone ? list.last : job(its.after).before) = its.before;
  if (its.after == kNone && its.before != kNone) list.last_id = job(its.before).id;
}

/// It wants a CPU.
void PriorityMachine::enter(JobIndex index, Nanos now) {
  const auto& its = job(index);
  insert(index);
  ++runnable_[slot(its.rank)];
  if (ends_.size() < context_.cores) return start(index, now);
  const int lowest = lowest_running();
  const auto& running = lists_[slot(lowest)];
  const JobIndex last = running.last_running;
  const bool first =
      lowest < its.rank || (lowest == its.rank && running.last_running_id > its.id);
  if (!first) return;
  stop(last, now);
  start(index, now);
}

/// It wants no CPU any more.
void PriorityMachine::leave(JobIndex index, Nanos now) {
  if (job(index).state == kRunning) stop(index, now);
  unlink(index);
  --runnable_[slot(job(index).rank)];
  fill(now);
}

void PriorityMachine::start(JobIndex index, Nanos now) {
  account(now);
  auto& its = job(index);
  auto& list = lists_[slot(its.rank)];
  its.state = kRunning;
  if (list.last_running == kNone || list.last_running_id < its.id) {
    list.last_running = index;
    list.last_running_id = its.id;
  }
  ends_.add(*context_.jobs, now + context_.blocking.slice(its), index);
  if (memory_ != nullptr) memory_->ran(index);
}

Nanos PriorityMachine::remaining(JobIndex index, Nanos now) const {
  const auto& its = job(index);
  if (its.state != kRunning) return its.remaining;
  const Nanos end = ends_.time_of(*context_.jobs, index);
  return its.remaining - context_.blocking.slice(its) + (end - now);
}

void PriorityMachine::stop(JobIndex index, Nanos now) {
  account(now);
  auto& its = job(index);
  its.remaining = remaining(index, now);
  ends_.remove(*context_.jobs, index);
  its.state = kWaiting;
  auto& list = lists_[slot(its.rank)];
  if (list.last_running != index) return;
  JobIndex before = its.before;
  while (before != kNone && job(before).state != kRunning) before = job(before).before;
  set_last_running(list, before);
}

/// Gives CPUs that are free to the first who want one.
void PriorityMachine::fill(Nanos now) {
  for (std::size_t rank = static_cast<std::size_t>(classes_); rank-- > 0;) {
    while (ends_.size() < context_.cores) {
      const JobIndex next = next_waiting(rank);
      if (next == kNone) break;
      start(next, now);
    }
    if (ends_.size() == context_.cores) return;
  }
}

void PriorityMachine::end_slice(JobIndex index, Nanos now) {
  leave(index, now);
  auto& its = job(index);
  if (its.remaining > 0) {
    its.state = kBlocked;
    wakes_.add(*context_.jobs, now + context_.blocking.time, index);
    return;
  }
  on_.remove(its.rank);
  const auto swap_outs = memory_ == nullptr ? std::uint16_t{0} : memory_->ended(index, true);
  context_.sink->finished(its, now, context_.blocking.alone(its), context_.id, swap_outs);
  context_.jobs->remove(index);
}

void PriorityMachine::suspend(JobIndex index, Nanos now) {
  auto& its = job(index);
  if (its.state == kBlocked) wakes_.remove(*context_.jobs, index);
  else leave(index, now);
  its.state = kSuspended;
}

void PriorityMachine::resume(JobIndex index, Nanos now) {
  job(index).state = kWaiting;
  enter(index, now);
}

void PriorityMachine::kill(JobIndex index, Nanos now) {
  if (job(index).state != kSuspended) suspend(index, now);
  on_.remove(job(index).rank);
  memory_->ended(index, false);
  context_.sink->lost(job(index), now, true, context_.id);
  context_.jobs->remove(index);
}

void PriorityMachine::close(Nanos end) {
  advance(end);
  account(end);
}

/// No class inversion, no idle CPU that somebody wants, and every list in order.
void PriorityMachine::check() const {
  std::uint32_t running = 0;
  for (int rank = classes_; rank >= 1; --rank) {
    const auto& list = lists_[slot(rank)];
    bool waits = false;
    std::uint32_t linked = 0;
    for (JobIndex at = list.first; at != kNone; at = job(at).after, ++linked) {
      const bool runs = job(at).state == kRunning;
      TARIFF_CHECK(runs || job(at).state == kWaiting, "a listed job runs or waits");
      TARIFF_CHECK(!runs || !waits, "first come first served within a class");
      waits = waits || !runs;
      running += runs ? 1 : 0;
      TARIFF_CHECK(job(at).after == kNone || job(job(at).after).id > job(at).id, "by arrival");
    }
    TARIFF_CHECK(linked == runnable_[slot(rank)], "no job is lost from a list");
    TARIFF_CHECK(!waits || lowest_running() >= rank, "class inversion: a lower class runs");
    TARIFF_CHECK(!waits || ends_.size() == context_.cores, "a CPU is idle and a job wants it");
  }
  TARIFF_CHECK(running == ends_.size(), "who runs will end");
}

}  // namespace tariff::sim
