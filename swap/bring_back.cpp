// SPDX-License-Identifier: Apache-2.0
#include "swap/bring_back.h"

#include <algorithm>

#include "swap/victim.h"

namespace tariff::swap {
namespace {

// Doubling a second six times is about a minute: longer than that a job is not kept out for having
// bounced.
constexpr int kMostDoublings = 6;

std::vector<const JobView*> order_of_return(const Snapshot& snapshot) {
  std::vector<const JobView*> order;
  for (const auto& job : snapshot.jobs)
    if (job.state == JobState::Out) order.push_back(&job);
  std::sort(order.begin(), order.end(),
            [](const JobView* one, const JobView* other) { return runs_before(*one, *other); });
  return order;
}

/// The first that has not just failed to come in. Time out does not count when nobody is in.
const JobView* first_that_can(const std::vector<const JobView*>& order, Time now) {
  for (const auto* job : order)
    if (!job->not_before || *job->not_before <= now) return job;
  return nullptr;
}

bool nothing_is_in(const Snapshot& snapshot) {
  return std::none_of(snapshot.jobs.begin(), snapshot.jobs.end(), [](const JobView& job) {
    return is_in(job) || job.state == JobState::ComingIn || job.state == JobState::Freezing;
  });
}

bool suffers_at_or_above(const Snapshot& snapshot, int rank) {
  return std::any_of(snapshot.classes.begin(), snapshot.classes.end(),
                     [rank](const ClassView& row) { return row.suffers && row.rank >= rank; });
}

Action come_in(const JobView& job, Reason reason, Bytes bytes, std::vector<PassedOver> passed) {
  Action action;
  action.verb = Verb::SwapIn;
  action.job = job.id;
  action.bytes = bytes;
  action.reason = reason;
  action.passed_over = std::move(passed);
  return action;
}

/// What must leave for it, if enough can.
std::optional<Need> make_room(const Snapshot& snapshot, const Settings& settings,
                              const JobView& job) {
  Need need;
  need.reason = Reason::MakeRoom;
  need.floor = job.rank - 1;
  need.behind = job;
  need.on_behalf_of = job.id;
  need.bytes = room_needed(snapshot, settings, job) - snapshot.memory.usable;
  if (!snapshot.swap.present || obtainable(snapshot, settings, need) < need.bytes)
    return std::nullopt;
  return need;
}

/// The first in order, although it does not fit: nobody is there whom it could hurt.
std::optional<Action> alone(const Snapshot& snapshot, const JobView& job) {
  const auto& memory = snapshot.memory;
  if (!nothing_is_in(snapshot) || memory.usable < critical_level(memory)) return std::nullopt;
  const Bytes room = memory.usable > memory.headroom ? memory.usable - memory.headroom : 0;
  return come_in(job, Reason::Alone, std::min(job.out, room), {});
}

}  // namespace

Time earliest_return(const Settings& settings, const JobView& job) {
  const int doublings = std::clamp(job.bounces, 0, kMostDoublings);
  const Time out = job.since + settings.least_out * (1 << doublings);
  return std::max(out, job.not_before.value_or(out));
}

Bytes room_needed(const Snapshot& snapshot, const Settings& settings, const JobView& job) {
  const auto margin = static_cast<Bytes>(static_cast<double>(job.out + job.resident) *
                                         settings.margin);
  return snapshot.memory.leave + job.out + margin;
}

bool will_run(const Snapshot& snapshot, const JobView& job) {
  int runnable = 0;
  for (const auto& row : snapshot.classes)
    if (row.rank >= job.rank) runnable += row.runnable;
  return runnable < snapshot.class_cpus;
}

BringBack bring_back(const Snapshot& snapshot, const Settings& settings) {
  BringBack out;
  std::vector<PassedOver> passed;
  const auto order = order_of_return(snapshot);
  for (const auto* job : order) {
    if (snapshot.memory.low || suffers_at_or_above(snapshot, job->rank) ||
        !will_run(snapshot, *job))
      break;
    const auto earliest = earliest_return(settings, *job);
    const bool ready = earliest <= snapshot.now;
    if (!ready) out.wait_until = std::min(out.wait_until.value_or(earliest), earliest);
    const Bytes needed = room_needed(snapshot, settings, *job);
    if (ready && snapshot.memory.usable >= needed) {
      out.action = come_in(*job, Reason::Room, job->out, std::move(passed));
      return out;
    }
    if (ready && passed.empty() && (out.make_room = make_room(snapshot, settings, *job)))
      return out;
    if (job->overtaken >= settings.overtakings) break;
    passed.push_back({job->id, Obstacle::Overtaken});
  }
  if (const auto* first = first_that_can(order, snapshot.now)) out.action = alone(snapshot, *first);
  return out;
}

}  // namespace tariff::swap
