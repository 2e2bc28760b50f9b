// SPDX-License-Identifier: Apache-2.0
#include "sim/policy_swap.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/priority_machine.h"

namespace tariff::sim {
namespace {

constexpr swap::Bytes kBytesPerKb = 1'000;
constexpr double kBytesPerMb = 1e6;
constexpr swap::Bytes kNoLimit = swap::Bytes{1} << 60;

swap::Bytes part(swap::Bytes bytes, double share) {
  return static_cast<swap::Bytes>(static_cast<double>(bytes) * share);
}

}  // namespace

PolicySwap::PolicySwap(const MemorySettings& memory, const PolicySwapSettings& settings,
                       MemoryStats& stats, std::uint64_t seed, std::uint32_t machine)
    : memory_settings_(memory), settings_(settings), stats_(stats), random_(seed, machine + 1),
      machine_(machine), ram_(swap::Bytes{memory.ram} * kBytesPerKb), next_(settings.step),
      level_(settings.headroom), free_at_tick_(ram_) {}

swap::Bytes PolicySwap::swap_left() const {
  const auto size = static_cast<swap::Bytes>(settings_.swap_size * kBytesPerMb);
  return size > out_ ? size - out_ : 0;
}

swap::Bytes PolicySwap::moved_per_step(double megabytes_per_second) const {
  if (megabytes_per_second <= 0) return kNoLimit;
  return static_cast<swap::Bytes>(megabytes_per_second * settings_.tick_seconds * kBytesPerMb *
                                  static_cast<double>(settings_.step) / static_cast<double>(kTick));
}

PolicySwap::Entry* PolicySwap::find(const std::string& id) {
  for (auto& entry : entries_)
    if (entry.view.id == id) return &entry;
  return nullptr;
}

std::uint64_t PolicySwap::free_kb() const {
  swap::Bytes promised = 0;
  for (const auto& entry : entries_)
    if (!swap::is_in(entry.view)) promised += entry.view.out;
  return free() > promised ? (free() - promised) / kBytesPerKb : 0;
}

int PolicySwap::suffers() const {
  for (int rank = kMostClasses; rank >= 1; --rank)
    if (classes_[static_cast<std::size_t>(rank) - 1].meter.suffers()) return rank;
  return 0;
}

void PolicySwap::placed(PriorityMachine& machine, JobIndex job, Nanos now) {
  const auto& memory = stats_.of(job);
  const auto& its = machine.jobs()[job];
  Entry entry;
  entry.job = job;
  entry.view.id = std::to_string(its.id);
  entry.view.rank = its.rank;
  entry.view.arrival = its.id;
  entry.view.since = time_of(now);
  entry.most = swap::Bytes{memory.most} * kBytesPerKb;
  entry.wanted = static_cast<double>(memory.size) * kBytesPerKb;
  entry.remaining = its.remaining;
  entry.goal = entry.wanted;
  entries_.push_back(std::move(entry));
  auto& added = entries_.back();
  draw_goal(added);
  if (memory_settings_.growth == Growth::Linear)
    added.pace =
        (static_cast<double>(added.most) - added.wanted) / static_cast<double>(its.runtime);
  take(added, std::min(static_cast<swap::Bytes>(added.wanted), free()));
}

std::uint16_t PolicySwap::ended(JobIndex job, bool finished) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.job == job; });
  used_ -= found->view.resident;
  out_ -= found->view.out;
  if (finished) stats_.moved_out[machine_] += found->moved_out / kBytesPerKb;
  const auto swap_outs = found->swap_outs;
  entries_.erase(found);
  return swap_outs;
}

void PolicySwap::run(PriorityMachine& machine, Nanos now) {
  step(machine, now);
  next_ = now + settings_.step;
  if (now % kTick == 0) sample(now);
  if (kChecking) check();
}

void PolicySwap::sample(Nanos now) {
  if (now / kTick > stats_.used.first) {
    const double mean = static_cast<double>(free_at_tick_ + free()) / 2;
    stats_.used.values.push_back(static_cast<float>(1 - mean / static_cast<double>(ram_)));
  }
  free_at_tick_ = free();
  for (auto& entry : entries_) draw_goal(entry);
}

/// Random: this tick's growth, drawn at its start and reached if it runs all the tick.
void PolicySwap::draw_goal(Entry& entry) {
  if (memory_settings_.growth != Growth::Random) return;
  const double room = static_cast<double>(entry.most) - entry.wanted;
  entry.goal = entry.wanted + std::max(0.0, room) * random_.unit();
  entry.pace = (entry.goal - entry.wanted) / static_cast<double>(kTick);
}

void PolicySwap::take(Entry& entry, swap::Bytes bytes) {
  entry.view.resident += bytes;
  used_ += bytes;
}

void PolicySwap::give(Entry& entry, swap::Bytes bytes, bool to_swap) {
  entry.view.resident -= bytes;
  used_ -= bytes;
  if (!to_swap) return;
  entry.view.out += bytes;
  out_ += bytes;
}

void PolicySwap::stall(Entry& entry) {
  entry.stalled = true;
  ++stats_.stalls;
  trigger_ = true;
  classes_[static_cast<std::size_t>(entry.view.rank) - 1].waited += time_of(settings_.step);
}

void PolicySwap::step(PriorityMachine& machine, Nanos now) {
  swap::Bytes in_budget = moved_per_step(settings_.in_speed);
  for (auto& entry : entries_) {
    const Nanos remaining = machine.remaining(entry.job, now);
    const Nanos progress = entry.remaining - remaining;
    entry.remaining = remaining;
    entry.stalled = false;
    classes_[static_cast<std::size_t>(entry.view.rank) - 1].cpu += time_of(progress);
    if (!swap::is_in(entry.view)) continue;
    grow(entry, progress);
    fault(entry, in_budget);
  }
  move(now);
  settle(machine, now);
  if (now < next_look_ && !trigger_) return;
  trigger_ = false;
  ask(machine, now);
  settle(machine, now);
}

void PolicySwap::grow(Entry& entry, Nanos progress) {
  const double most = memory_settings_.growth == Growth::Random ? entry.goal
                                                                : static_cast<double>(entry.most);
  entry.wanted = std::min(most, entry.wanted + entry.pace * static_cast<double>(progress));
  const auto wanted = static_cast<swap::Bytes>(entry.wanted);
  const swap::Bytes has = entry.view.resident + entry.view.out;
  const swap::Bytes more = wanted > has ? wanted - has : 0;
  if (more > free()) {
    reclaim_by_kernel(more - free());
    stall(entry);
  }
  const swap::Bytes got = std::min(more, free());
  take(entry, got);
  const auto per_second = static_cast<double>(got) * static_cast<double>(kTick) /
                          static_cast<double>(settings_.step) / settings_.tick_seconds;
  // An average over about ten looks, like the agent's.
  entry.view.growth = static_cast<swap::Bytes>(
      static_cast<double>(entry.view.growth) * 0.9 + per_second * 0.1);
}

/// What it touches and is in swap has to come in first.
void PolicySwap::fault(Entry& entry, swap::Bytes& budget) {
  const swap::Bytes hot = part(entry.view.resident + entry.view.out, settings_.hot);
  if (hot <= entry.view.resident) return;
  const swap::Bytes lacking = std::min(hot - entry.view.resident, entry.view.out);
  if (lacking > free()) reclaim_by_kernel(lacking - free());
  const swap::Bytes bytes = std::min({lacking, budget, free()});
  budget -= bytes;
  take(entry, bytes);
  entry.view.out -= bytes;
  out_ -= bytes;
  entry.faulted += bytes;
  classes_[static_cast<std::size_t>(entry.view.rank) - 1].faulted += bytes;
  if (swap::pages_come_back(entry.paged, entry.faulted)) entry.view.pages_come_back = true;
  if (bytes < lacking || settings_.in_speed > 0) stall(entry);
}

void PolicySwap::reclaim_by_kernel(swap::Bytes bytes) {
  ++reclaims_;
  Entry* largest = nullptr;
  for (auto& entry : entries_)
    if (largest == nullptr || entry.view.resident > largest->view.resident) largest = &entry;
  if (largest == nullptr) return;
  give(*largest,
       std::min({bytes, largest->view.resident, swap_left(), moved_per_step(settings_.out_speed)}),
       true);
}

void PolicySwap::move(Nanos now) {
  swap::Bytes out_budget = moved_per_step(settings_.out_speed);
  swap::Bytes in_budget = moved_per_step(settings_.in_speed);
  for (auto& entry : entries_) {
    if (entry.view.state == swap::JobState::Freezing) {
      entry.view.state = swap::JobState::Reclaiming;
      entry.view.since = time_of(now);
    }
    if (entry.view.state == swap::JobState::Reclaiming ||
        entry.view.state == swap::JobState::Paging)
      move_out(entry, now, out_budget);
    else if (entry.view.state == swap::JobState::ComingIn)
      move_in(entry, now, in_budget);
  }
}

void PolicySwap::move_out(Entry& entry, Nanos now, swap::Bytes& budget) {
  auto& view = entry.view;
  const swap::Bytes bytes = std::min({view.asked, budget, swap::movable(view), swap_left()});
  budget -= bytes;
  give(entry, bytes, true);
  view.asked -= bytes;
  released_ += bytes;
  const bool paging = view.state == swap::JobState::Paging;
  if (paging) entry.paged += bytes;
  else entry.moved_out += bytes;
  if (view.asked > 0 && swap::movable(view) > 0 && swap_left() > 0) return;
  view.asked = 0;
  view.state = paging ? swap::JobState::Running : swap::JobState::Out;
  if (paging) view.paged_at = time_of(now);
  view.since = time_of(now);
}

void PolicySwap::move_in(Entry& entry, Nanos now, swap::Bytes& budget) {
  auto& view = entry.view;
  const swap::Bytes bytes = std::min({entry.coming, budget, view.out, free()});
  budget -= bytes;
  take(entry, bytes);
  view.out -= bytes;
  out_ -= bytes;
  entry.coming -= bytes;
  if (entry.coming > 0 && bytes > 0) return;
  view.state = swap::JobState::Running;
  view.since = time_of(now);
  view.returned_at = time_of(now);
}

/// Tells the machine who may run.
void PolicySwap::settle(PriorityMachine& machine, Nanos now) {
  for (auto& entry : entries_) {
    const bool held = entry.stalled || !swap::is_in(entry.view);
    if (held == entry.suspended) continue;
    entry.suspended = held;
    if (held) machine.suspend(entry.job, now);
    else machine.resume(entry.job, now);
  }
}

void PolicySwap::sense(Nanos now) {
  const swap::Time at = time_of(now);
  view_.total = ram_;
  view_.free = view_.usable = free();
  growth_.sample({at, view_.usable, released_, 0});
  view_.growth = growth_.now();
  level_.update(at, swap::headroom_bytes(ram_, growth_.fastest(at), settings_.headroom), view_);
  for (auto& row : classes_)
    if (row.cpu.count() > 0 || row.waited.count() > 0)
      row.meter.sample({at, row.waited, swap::Duration(0), row.faulted, reclaims_, row.cpu});
}

swap::Snapshot PolicySwap::snapshot(const PriorityMachine& machine, Nanos now) const {
  swap::Snapshot out;
  out.now = time_of(now);
  out.memory = view_;
  const auto speed = [](double megabytes) {
    return megabytes > 0 ? static_cast<swap::Bytes>(megabytes * kBytesPerMb) : kNoLimit;
  };
  out.swap = {true, swap_left(), 1, speed(settings_.out_speed), speed(settings_.in_speed)};
  out.class_cpus = static_cast<int>(machine.cores());
  std::array<int, kMostClasses> runnable{};
  int highest = 0;
  out.jobs.reserve(entries_.size());
  for (const auto& entry : entries_) {
    out.jobs.push_back(entry.view);
    highest = std::max(highest, entry.view.rank);
    if (swap::is_in(entry.view)) ++runnable[static_cast<std::size_t>(entry.view.rank) - 1];
  }
  for (int rank = 1; rank <= highest; ++rank) {
    const auto& its = classes_[static_cast<std::size_t>(rank) - 1];
    swap::ClassView row;
    row.rank = rank;
    row.mode = settings_.mode;
    row.runnable = runnable[static_cast<std::size_t>(rank) - 1];
    row.suffers = its.meter.suffers();
    row.suffers_since = its.meter.suffers_since();
    out.classes.push_back(row);
  }
  return out;
}

void PolicySwap::ask(PriorityMachine& machine, Nanos now) {
  sense(now);
  const auto seen = snapshot(machine, now);
  const auto decision = swap::decide(seen, settings_.settings);
  for (const auto& action : decision.actions) act(machine, now, action, seen);
  next_look_ = now + static_cast<Nanos>(static_cast<double>(decision.look_again.count()) /
                                         settings_.tick_seconds);
}

void PolicySwap::leave(Entry& entry, const swap::Action& action, const swap::Snapshot& snapshot) {
  auto& view = entry.view;
  view.asked = action.bytes;
  if (action.verb == swap::Verb::Page) {
    ++stats_.pagings;
    entry.paged = entry.faulted = 0;
    view.state = swap::JobState::Paging;
  } else if (swap::is_in(view)) {
    view.bounces = swap::bounces_when_pushed_out(snapshot, settings_.settings, view);
    view.state = swap::JobState::Freezing;
    if (entry.swap_outs++ == 0)
      ++stats_.swapped[static_cast<std::size_t>(view.rank) - 1];
    ++stats_.swap_outs;
  } else {
    view.state = swap::JobState::Reclaiming;
  }
  view.since = snapshot.now;
}

void PolicySwap::act(PriorityMachine& machine, Nanos now, const swap::Action& action,
                     const swap::Snapshot& snapshot) {
  Entry* entry = find(action.job);
  if (entry == nullptr) return;
  for (const auto& passed : action.passed_over)
    if (Entry* other = find(passed.job))
      if (passed.why == swap::Obstacle::Overtaken) ++other->view.overtaken;
  auto& view = entry->view;
  switch (action.verb) {
    case swap::Verb::SwapOut:
    case swap::Verb::Page: return leave(*entry, action, snapshot);
    case swap::Verb::StopLeaving:
      view.state = view.state == swap::JobState::Freezing ? swap::JobState::Running
                                                          : swap::JobState::Out;
      view.asked = 0;
      view.since = snapshot.now;
      return;
    case swap::Verb::SwapIn:
      ++stats_.swap_ins;
      view.state = swap::JobState::ComingIn;
      view.since = snapshot.now;
      view.overtaken = 0;
      entry->coming = action.bytes;
      return;
    case swap::Verb::Kill:
      ++stats_.kills;
      machine.kill(entry->job, now);
      return;
  }
}

/// Memory is conserved.
void PolicySwap::check() const {
  swap::Bytes resident = 0;
  swap::Bytes out = 0;
  for (const auto& entry : entries_) {
    resident += entry.view.resident;
    out += entry.view.out;
    TARIFF_CHECK(entry.view.resident + entry.view.out <= entry.most, "no job is too large");
  }
  TARIFF_CHECK(resident == used_ && out == out_, "memory is conserved");
  TARIFF_CHECK(used_ <= ram_, "no more memory is used than there is");
}

}  // namespace tariff::sim
