// SPDX-License-Identifier: Apache-2.0
#include "swap/kill.h"

#include <algorithm>

namespace tariff::swap {
namespace {

bool somebody_leaves(const Snapshot& snapshot) {
  return std::any_of(snapshot.jobs.begin(), snapshot.jobs.end(),
                     [](const JobView& job) { return is_leaving(job); });
}

/// Jobs were moved out, and frozen, through all of the critical time, and it did not help.
bool too_slow(const Snapshot& snapshot, const Settings& settings) {
  const auto& memory = snapshot.memory;
  return somebody_leaves(snapshot) && outpaced(snapshot) && memory.critical_since &&
         snapshot.now - *memory.critical_since >= settings.kill_patience;
}

/// RAM, and swap if that is what lacks, that its death releases.
Bytes released_by_death(const JobView& job, KillCause cause) {
  return cause == KillCause::SwapFull ? job.resident + job.out : job.resident;
}

/// RAM of those that die already.
Bytes released_by_dying(const Snapshot& snapshot, const Settings& settings) {
  Bytes sum = 0;
  for (const auto& job : snapshot.jobs)
    if (job.state == JobState::Ending) sum += release_of(job, snapshot, settings);
  return sum;
}

/// What each job that grows would take if all took the same.
Bytes equal_share(const Snapshot& snapshot) {
  Bytes sum = 0;
  Bytes growing = 0;
  for (const auto& job : snapshot.jobs) {
    sum += job.growth;
    growing += job.growth > 0 ? 1 : 0;
  }
  return growing == 0 ? 0 : sum / growing;
}

Role role_by_share(const JobView& job, Bytes share) {
  return job.growth > 0 && job.growth >= share ? Role::Culprit : Role::Bystander;
}

/// Before the other: lower class, then culprits, then who would run last.
bool dies_before(const JobView& one, const JobView& other, Bytes share) {
  if (one.rank != other.rank) return one.rank < other.rank;
  const auto role = role_by_share(one, share);
  if (role != role_by_share(other, share)) return role == Role::Culprit;
  return one.arrival > other.arrival;
}

}  // namespace

std::optional<KillCause> why_swap_cannot_help(const Snapshot& snapshot, const Settings& settings,
                                              bool nothing_left) {
  if (!snapshot.swap.present) return KillCause::SwapAbsent;
  if (snapshot.swap.left < kLeastUseful || snapshot.swap.gain < kLeastGain)
    return KillCause::SwapFull;
  if (too_slow(snapshot, settings)) return KillCause::SwapTooSlow;
  if (nothing_left) return KillCause::NothingCanLeave;
  return std::nullopt;
}

Role role_of(const Snapshot& snapshot, const JobView& job) {
  return role_by_share(job, equal_share(snapshot));
}

bool cannot_wait(const Snapshot& snapshot, const Settings& settings, const Need& need) {
  const Bytes dying = released_by_dying(snapshot, settings);
  if (need.reason == Reason::Headroom)
    return snapshot.memory.usable + dying < critical_level(snapshot.memory);
  if (need.reason != Reason::Pressure || dying > 0) return false;
  const auto row = class_of(snapshot, need.suffering_rank);
  return snapshot.now - row.suffers_since >= settings.kill_patience;
}

std::optional<Action> choose_kill(const Snapshot& snapshot, const Settings& settings,
                                  const Need& need, bool nothing_left) {
  const auto cause = why_swap_cannot_help(snapshot, settings, nothing_left);
  if (!cause || !cannot_wait(snapshot, settings, need)) return std::nullopt;
  const Bytes share = equal_share(snapshot);
  const JobView* chosen = nullptr;
  std::vector<PassedOver> passed;
  for (const auto& job : snapshot.jobs) {
    if (!may_touch(need, job)) continue;
    auto obstacle = Obstacle::None;
    if (job.state == JobState::Ending) obstacle = Obstacle::Ending;
    else if (job.state == JobState::Held) obstacle = Obstacle::Held;
    else if (released_by_death(job, *cause) < kLeastUseful) obstacle = Obstacle::TooSmall;
    if (obstacle != Obstacle::None) {
      if (passed.size() < kMostPassedOver) passed.push_back({job.id, obstacle});
    } else if (chosen == nullptr || dies_before(job, *chosen, share)) {
      chosen = &job;
    }
  }
  if (chosen == nullptr) return std::nullopt;
  Action action;
  action.verb = Verb::Kill;
  action.job = chosen->id;
  action.bytes = released_by_death(*chosen, *cause);
  action.reason = need.reason;
  action.suffering_rank = need.suffering_rank;
  action.kill_cause = cause;
  action.role = role_by_share(*chosen, share);
  action.passed_over = std::move(passed);
  return action;
}

}  // namespace tariff::swap
