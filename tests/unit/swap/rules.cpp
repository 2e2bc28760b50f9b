// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <algorithm>
#include <set>

#include "swap/need.h"

namespace tariff::swap::test {
namespace {

const JobView* find(const Snapshot& snapshot, const std::string& id) {
  for (const auto& job : snapshot.jobs)
    if (job.id == id) return &job;
  return nullptr;
}

bool anybody(const Snapshot& snapshot, bool (*is)(const JobView&)) {
  return std::any_of(snapshot.jobs.begin(), snapshot.jobs.end(), is);
}

/// Would nobody who is in, or coming in, run before it?
bool is_first_in_line(const Snapshot& snapshot, const JobView& job) {
  return std::none_of(snapshot.jobs.begin(), snapshot.jobs.end(), [&](const JobView& other) {
    return (is_in(other) || other.state == JobState::ComingIn) && runs_before(other, job);
  });
}

/// A job of a lower class that could be frozen and moved at once.
bool could_leave(const Snapshot& snapshot, const JobView& job) {
  if (job.state == JobState::Running && is_first_in_line(snapshot, job)) return false;
  const auto row = class_of(snapshot, job.rank);
  if (row.mode != Mode::Swap || (row.swap_room && *row.swap_room < kLeastUseful)) return false;
  if (job.not_before && *job.not_before > snapshot.now) return false;
  return (job.state == JobState::Running || job.state == JobState::Out) &&
         movable(job) >= kLeastUseful;
}

/// Has it come back so short a time ago that only an urgent need may touch it?
bool may_not_leave_yet(const Snapshot& snapshot, const Settings& settings, const Action& action,
                       const JobView& job) {
  if (action.verb != Verb::SwapOut || !is_in(job) || !job.returned_at) return false;
  if (action.reason == Reason::Pressure) return false;
  const bool urgent = action.reason == Reason::Headroom &&
                      snapshot.memory.usable < snapshot.memory.headroom / 2;
  return !urgent && snapshot.now - *job.returned_at < settings.least_in;
}

std::string wrong_victim(const Snapshot& snapshot, const Decision& decision, const Action& action,
                         const JobView& job) {
  if (action.reason == Reason::Pressure && job.rank >= action.suffering_rank)
    return "touches the class that suffers, or one above it";
  if (action.reason == Reason::MakeRoom) {
    const auto* other = find(snapshot, action.on_behalf_of);
    if (other == nullptr) return "makes room for nobody";
    if (job.rank > other->rank || (job.rank == other->rank && job.state != JobState::Out))
      return "makes room by freezing one of the same class or above";
  }
  if (action.verb == Verb::Kill) return "";
  const auto chosen = [&](const JobView& other) {
    return std::any_of(decision.actions.begin(), decision.actions.end(),
                       [&](const Action& one) { return one.job == other.id; });
  };
  const bool emergency = outpaced(snapshot) && snapshot.memory.critical_since &&
                         anybody(snapshot, [](const JobView& other) {
                           return is_leaving(other) || other.state == JobState::Paging;
                         });
  if (emergency && job.growth == 0) return "freezes one that does not grow";
  for (const auto& lower : snapshot.jobs)
    if (lower.rank < job.rank && could_leave(snapshot, lower) && !chosen(lower) &&
        !(emergency && (lower.growth == 0 || lower.state == JobState::Out)))
      return "spares " + lower.id + " of a lower class";
  const auto row = class_of(snapshot, job.rank);
  if (row.swap_room && action.bytes > *row.swap_room) return "exceeds the class's swap";
  if (action.bytes > snapshot.swap.left) return "exceeds the swap";
  if (action.bytes > movable(job)) return "moves what cannot leave";
  if (action.verb == Verb::Page && row.mode == Mode::Swap && !is_first_in_line(snapshot, job))
    return "pages a class that is swapped";
  if (action.verb == Verb::SwapOut && action.reason == Reason::Headroom && is_in(job) &&
      is_first_in_line(snapshot, job))
    return "freezes the first in line";
  if (action.verb == Verb::SwapOut && row.mode == Mode::Page && job.state == JobState::Running)
    return "freezes a class that is paged";
  return "";
}

std::string wrong_amount(const Snapshot& snapshot, const Settings& settings,
                         const Decision& decision) {
  Bytes begun = 0;
  Bytes wanted = 0;
  Bytes least = 0;
  for (const auto& action : decision.actions) {
    if (action.verb != Verb::SwapOut && action.verb != Verb::Page) continue;
    begun += static_cast<Bytes>(static_cast<double>(action.bytes) * snapshot.swap.gain);
    least += kLeastUseful;
    if (action.reason == Reason::MakeRoom) return "";  // its own test has examples
  }
  if (begun == 0 || outpaced(snapshot)) return "";
  if (const auto need = headroom_need(snapshot)) wanted = std::max(wanted, need->bytes);
  if (const auto need = pressure_need(snapshot)) wanted = std::max(wanted, need->bytes);
  Bytes coming = releases_under_way(snapshot, settings);
  for (const auto& action : decision.actions)
    if (action.verb == Verb::StopLeaving)
      coming -= release_of(*find(snapshot, action.job), snapshot, settings);
  return begun + coming <= wanted + least ? "" : "moves more than is wanted";
}

std::string wrong_return(const Snapshot& snapshot, const Settings& settings, const Action& action,
                         const JobView& job) {
  if (job.state != JobState::Out) return "brings in what is not out";
  if (anybody(snapshot, [](const JobView& other) { return other.state == JobState::ComingIn; }))
    return "brings in two at once";
  if (anybody(snapshot, is_leaving)) return "brings in while another leaves";
  if (action.reason == Reason::Alone)
    return anybody(snapshot, is_in) ? "is not alone" : "";
  if (snapshot.now - job.since < settings.least_out) return "has just left";
  if (snapshot.memory.usable < snapshot.memory.leave + job.out) return "brings in what has no room";
  int before = 0;
  for (const auto& other : snapshot.classes) {
    if (other.suffers && other.rank >= job.rank) return "comes in while its class or above suffers";
    if (other.rank >= job.rank) before += other.runnable;
  }
  if (before >= snapshot.class_cpus) return "brings in what would not run";
  std::set<std::string> counted;
  for (const auto& passed : action.passed_over)
    if (passed.why == Obstacle::Overtaken) counted.insert(passed.job);
  for (const auto& other : snapshot.jobs)
    if (other.state == JobState::Out && runs_before(other, job)) {
      if (!counted.contains(other.id)) return "overtakes without counting it";
      if (other.overtaken >= settings.overtakings) return "overtakes too often";
    }
  return "";
}

std::string wrong_kill(const Snapshot& snapshot, const Settings& settings, const Action& action,
                       const JobView& job) {
  const auto& swap = snapshot.swap;
  if (!action.kill_cause || !action.role) return "does not say why";
  switch (*action.kill_cause) {
    case KillCause::SwapAbsent:
      if (swap.present) return "says there is no swap";
      break;
    case KillCause::SwapFull:
      if (swap.left >= kLeastUseful && swap.gain > 0.1) return "says swap is full";
      break;
    case KillCause::SwapTooSlow:
      if (!snapshot.memory.critical_since ||
          snapshot.now - *snapshot.memory.critical_since < settings.kill_patience)
        return "says swap is too slow, and did not wait";
      break;
    case KillCause::NothingCanLeave:
      for (const auto& other : snapshot.jobs)
        if (is_leaving(other)) return "says nothing can leave";
      break;
  }
  if (action.reason == Reason::Headroom &&
      snapshot.memory.usable >= critical_level(snapshot.memory))
    return "before it is critical";
  for (const auto& lower : snapshot.jobs) {
    const bool dying = lower.state == JobState::Ending || lower.state == JobState::Held;
    if (lower.rank < job.rank && !dying && lower.resident >= kLeastUseful)
      return "spares " + lower.id + " of a lower class";
  }
  return "";
}

}  // namespace

std::string broken_rule(const Snapshot& snapshot, const Settings& settings,
                        const Decision& decision) {
  if (decision.look_again < settings.busy_pause || decision.look_again > settings.rest_pause)
    return "looks again at a strange time";
  std::set<std::string> named;
  int begun = 0;
  for (const auto& action : decision.actions) {
    const auto* job = find(snapshot, action.job);
    if (job == nullptr) return "acts on nobody";
    if (!named.insert(action.job).second) return "acts on " + action.job + " twice";
    std::string wrong;
    switch (action.verb) {
      case Verb::SwapOut:
      case Verb::Page:
        ++begun;
        wrong = wrong_victim(snapshot, decision, action, *job);
        if (wrong.empty() && is_leaving(*job)) wrong = "is leaving already";
        if (may_not_leave_yet(snapshot, settings, action, *job)) wrong = "has just come back";
        break;
      case Verb::StopLeaving:
        if (!is_leaving(*job)) wrong = "stops what is not leaving";
        break;
      case Verb::SwapIn: wrong = wrong_return(snapshot, settings, action, *job); break;
      case Verb::Kill:
        wrong = wrong_victim(snapshot, decision, action, *job);
        if (wrong.empty()) wrong = wrong_kill(snapshot, settings, action, *job);
        break;
    }
    if (!wrong.empty())
      return std::string(word(action.verb)) + " " + action.job + " (" +
             std::string(word(action.reason)) + "): " + wrong;
  }
  for (const auto& job : snapshot.jobs)
    if (begun > 1 && is_leaving(job)) ++begun;
  if (begun > settings.leaving_at_once) return "begins too many";
  return wrong_amount(snapshot, settings, decision);
}

}  // namespace tariff::swap::test
