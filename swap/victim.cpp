// SPDX-License-Identifier: Apache-2.0
#include "swap/victim.h"

#include <algorithm>
#include <cmath>

namespace tariff::swap {
namespace {

bool is_frozen(const JobView& job) {
  return job.state == JobState::Out || job.state == JobState::ComingIn;
}

bool leaves_before(const JobView& one, const JobView& other) {
  if (one.rank != other.rank) return one.rank < other.rank;
  if (is_frozen(one) != is_frozen(other)) return is_frozen(one);
  return one.arrival > other.arrival;
}

/// Swap that is not promised to jobs that are leaving.
Bytes swap_room(const Snapshot& snapshot) {
  Bytes promised = 0;
  for (const auto& job : snapshot.jobs)
    if (is_leaving(job) || job.state == JobState::Paging) promised += job.asked;
  return snapshot.swap.left > promised ? snapshot.swap.left - promised : 0;
}

/// Bytes to be moved so that so much RAM is free afterwards.
Bytes to_move(Bytes ram, const SwapView& swap) {
  return static_cast<Bytes>(std::ceil(static_cast<double>(ram) / std::max(swap.gain, 0.01)));
}

bool is_paged(const Need& need, const JobView& job, const Line& line, Mode mode) {
  if (!is_in(job) || mode == Mode::Swap) return false;
  if (mode == Mode::Page) return true;
  if (job.pages_come_back) return false;
  if (&job == line.first && need.reason != Reason::MakeRoom) return true;
  const bool has_cpu = line.last_with_cpu == nullptr || !runs_before(*line.last_with_cpu, job);
  return !need.urgent && has_cpu;
}

/// Would freezing it leave more memory to others from now on?
bool stops_growth(const JobView& job, const Verdict& verdict) {
  return is_in(job) && job.growth > 0 && verdict.verb == Verb::SwapOut;
}

/// What stands in the way for good, whatever the need.
Obstacle lasting_obstacle(const Snapshot& snapshot, const JobView& job, const ClassView& row) {
  if (job.state == JobState::Ending) return Obstacle::Ending;
  if (job.state == JobState::Held) return Obstacle::Held;
  if (is_leaving(job) || job.state == JobState::Paging) return Obstacle::Leaving;
  if (row.swap_room && *row.swap_room < kLeastUseful) return Obstacle::Excluded;
  if (job.not_before && *job.not_before > snapshot.now) return Obstacle::Failed;
  if (movable(job) < kLeastUseful) return Obstacle::TooSmall;
  return Obstacle::None;
}

/// What passes by itself, and when.
Verdict passing_obstacle(const Snapshot& snapshot, const Settings& settings, const JobView& job,
                         bool paged) {
  Verdict verdict;
  const auto later = [&](Obstacle obstacle, Time until) {
    if (until <= snapshot.now) return;
    verdict.obstacle = obstacle;
    verdict.until = until;
  };
  if (job.state == JobState::ComingIn)
    later(Obstacle::JustReturned, snapshot.now + settings.busy_pause);
  else if (paged && job.paged_at)
    later(Obstacle::JustPaged, *job.paged_at + settings.page_rest);
  else if (!paged && is_in(job) && job.returned_at)
    later(Obstacle::JustReturned, *job.returned_at + least_stay(snapshot, settings, job));
  return verdict;
}

}  // namespace

Duration least_stay(const Snapshot& snapshot, const Settings& settings, const JobView& job) {
  if (snapshot.swap.in_speed == 0) return settings.least_in;
  const double seconds = static_cast<double>(job.resident) /
                         static_cast<double>(snapshot.swap.in_speed);
  const std::chrono::duration<double> moves(seconds * settings.least_in_per_move);
  return std::max(settings.least_in, std::chrono::duration_cast<Duration>(moves));
}

std::vector<const JobView*> order_of_leaving(const Snapshot& snapshot) {
  std::vector<const JobView*> order;
  order.reserve(snapshot.jobs.size());
  for (const auto& job : snapshot.jobs) order.push_back(&job);
  std::sort(order.begin(), order.end(),
            [](const JobView* one, const JobView* other) { return leaves_before(*one, *other); });
  return order;
}

Line line_of(const Snapshot& snapshot) {
  Line line;
  std::vector<const JobView*> in;
  for (const auto& job : snapshot.jobs) {
    if (is_in(job)) in.push_back(&job);
    if ((is_in(job) || job.state == JobState::ComingIn) &&
        (line.first == nullptr || runs_before(job, *line.first)))
      line.first = &job;
  }
  const auto cpus = static_cast<std::size_t>(std::max(snapshot.class_cpus, 1));
  if (in.size() <= cpus) return line;
  const auto last = in.begin() + static_cast<std::ptrdiff_t>(cpus) - 1;
  std::nth_element(in.begin(), last, in.end(), [](const JobView* one, const JobView* other) {
    return runs_before(*one, *other);
  });
  line.last_with_cpu = *last;
  return line;
}

Verdict judge(const Snapshot& snapshot, const Settings& settings, const Need& need,
              const JobView& job, const Line& line) {
  const auto row = class_of(snapshot, job.rank);
  Verdict verdict;
  verdict.obstacle = lasting_obstacle(snapshot, job, row);
  if (verdict.obstacle != Obstacle::None) return verdict;
  const bool never_frozen = &job == line.first && need.reason != Reason::MakeRoom;
  const bool last_resort = never_frozen && need.urgent;
  const bool paged = last_resort || is_paged(need, job, line, row.mode);
  if (paged && job.pages_come_back && !last_resort) verdict.obstacle = Obstacle::PagesComeBack;
  if (!paged && never_frozen) verdict.obstacle = Obstacle::FirstInLine;
  if (verdict.obstacle != Obstacle::None) return verdict;
  if (!need.urgent || last_resort) verdict = passing_obstacle(snapshot, settings, job, paged);
  verdict.verb = paged ? Verb::Page : Verb::SwapOut;
  verdict.bytes = std::min(movable(job), snapshot.swap.left);
  if (row.swap_room) verdict.bytes = std::min(verdict.bytes, *row.swap_room);
  if (paged) {
    const auto part = static_cast<double>(job.resident) * settings.page_part;
    verdict.bytes = std::min(verdict.bytes, std::max(kLeastUseful, static_cast<Bytes>(part)));
  }
  return verdict;
}

Choice choose_victims(const Snapshot& snapshot, const Settings& settings, const Need& need,
                      Bytes ram, int most) {
  Choice choice;
  Bytes wanted = to_move(ram, snapshot.swap);
  Bytes room = swap_room(snapshot);
  std::vector<PassedOver> passed;
  const auto line = line_of(snapshot);
  for (const auto* job : order_of_leaving(snapshot)) {
    if (wanted == 0) return choice;
    if (!may_touch(need, *job)) continue;
    const auto verdict = judge(snapshot, settings, need, *job, line);
    if (verdict.until) {
      choice.wait_until = verdict.until;
      return choice;
    }
    if (verdict.obstacle != Obstacle::None) {
      if (passed.size() < kMostPassedOver) passed.push_back({job->id, verdict.obstacle});
      continue;
    }
    if (need.growers_only && !stops_growth(*job, verdict)) continue;
    if (static_cast<int>(choice.actions.size()) >= most) return choice;
    const Bytes bytes = std::min({verdict.bytes, std::max(wanted, kLeastUseful), room});
    if (bytes < kLeastUseful) break;  // swap is full, or as good as
    Action action;
    action.verb = verdict.verb;
    action.job = job->id;
    action.bytes = bytes;
    action.reason = need.reason;
    action.suffering_rank = need.suffering_rank;
    action.on_behalf_of = need.on_behalf_of;
    action.passed_over = passed;
    choice.actions.push_back(std::move(action));
    wanted -= std::min(wanted, bytes);
    room -= bytes;
  }
  choice.exhausted = wanted > 0;
  return choice;
}

Bytes obtainable(const Snapshot& snapshot, const Settings& settings, const Need& need) {
  Bytes sum = 0;
  const auto line = line_of(snapshot);
  for (const auto& job : snapshot.jobs)
    if (may_touch(need, job)) sum += judge(snapshot, settings, need, job, line).bytes;
  sum = std::min(sum, swap_room(snapshot));
  return static_cast<Bytes>(static_cast<double>(sum) * snapshot.swap.gain) +
         releases_under_way(snapshot, settings);
}

}  // namespace tariff::swap
