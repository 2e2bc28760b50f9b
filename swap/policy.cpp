// SPDX-License-Identifier: Apache-2.0
#include "swap/policy.h"

#include <algorithm>

#include "swap/bring_back.h"
#include "swap/kill.h"
#include "swap/victim.h"

namespace tariff::swap {
namespace {

constexpr int kBounceStays = 4;

int leaving_now(const Snapshot& snapshot) {
  return static_cast<int>(
      std::count_if(snapshot.jobs.begin(), snapshot.jobs.end(), [](const JobView& job) {
        return is_leaving(job) || job.state == JobState::Paging;
      }));
}

bool under_way(const Snapshot& snapshot) {
  return std::any_of(snapshot.jobs.begin(), snapshot.jobs.end(), [](const JobView& job) {
    return job.state != JobState::Running && job.state != JobState::Out &&
           job.state != JobState::Held;
  });
}

void wait_at_most(std::optional<Time>& wait, const std::optional<Time>& until) {
  if (until) wait = std::min(wait.value_or(*until), *until);
}

/// How many may begin to leave, and how much RAM is wanted of them.
struct Order {
  int most = 0;
  Bytes ram = 0;
  bool growers_only = false;
};
Order order_for(const Snapshot& snapshot, const Settings& settings, const Need& need) {
  Order order;
  const int leaving = leaving_now(snapshot);
  const Bytes coming = releases_under_way(snapshot, settings);
  order.most = std::max(0, settings.leaving_at_once - leaving);
  order.ram = need.bytes > coming ? need.bytes - coming : 0;
  if (leaving > 0 && outpaced(snapshot) && snapshot.memory.critical_since) {
    order.most = 1;
    order.ram = std::max(order.ram, snapshot.memory.growth);
    order.growers_only = true;
  }
  return order;
}

/// Victims for what is not on its way yet, or a kill if none can help.
void relieve(const Snapshot& snapshot, const Settings& settings, Need need, Decision& decision,
             std::optional<Time>& wait) {
  const auto order = order_for(snapshot, settings, need);
  need.growers_only = order.growers_only;
  Choice choice;
  if (order.ram > 0 && !why_swap_cannot_help(snapshot, settings, false))
    choice = choose_victims(snapshot, settings, need, order.ram, order.most);
  wait_at_most(wait, choice.wait_until);
  const bool nothing_left =
      choice.exhausted && choice.actions.empty() && leaving_now(snapshot) == 0;
  // Who was let go, or what is on its way, says that it need not come to that.
  const bool enough = order.ram == 0 || !decision.actions.empty();
  auto kill = enough ? std::nullopt : choose_kill(snapshot, settings, need, nothing_left);
  if (kill) decision.actions.push_back(std::move(*kill));
  for (auto& action : choice.actions) decision.actions.push_back(std::move(action));
}

/// Until memory is low if it goes on being taken like this: headroom has no trigger.
Duration until_low(const MemoryView& memory) {
  if (memory.growth == 0 || memory.usable <= memory.headroom) return Duration::max();
  const std::chrono::duration<double> left(static_cast<double>(memory.usable - memory.headroom) /
                                           static_cast<double>(memory.growth));
  return left > std::chrono::hours(1) ? Duration::max()
                                      : std::chrono::duration_cast<Duration>(left);
}

Duration pause(const Snapshot& snapshot, const Settings& settings, const Decision& decision,
               const std::optional<Time>& wait) {
  if (!decision.actions.empty() || under_way(snapshot)) return settings.busy_pause;
  auto longest = std::min(settings.rest_pause, until_low(snapshot.memory));
  if (wait) longest = std::min(longest, *wait - snapshot.now);
  return std::max(longest, settings.busy_pause);
}

}  // namespace

std::vector<Action> stop_needless(const Snapshot& snapshot, const Settings& settings,
                                  const std::vector<Need>& needs) {
  std::vector<const JobView*> leaving;
  if (!needs.empty() && outpaced(snapshot)) return {};
  for (const auto& job : snapshot.jobs)
    if (is_leaving(job)) leaving.push_back(&job);
  std::sort(leaving.begin(), leaving.end(),
            [](const JobView* one, const JobView* other) { return runs_before(*one, *other); });
  Bytes coming = releases_under_way(snapshot, settings);
  std::vector<Action> actions;
  for (const auto* job : leaving) {
    const Bytes without = coming - release_of(*job, snapshot, settings);
    const bool needed = std::any_of(needs.begin(), needs.end(), [&](const Need& need) {
      return need.bytes > without && may_touch(need, *job);
    });
    if (needed) continue;
    coming = without;
    Action action;
    action.verb = Verb::StopLeaving;
    action.job = job->id;
    action.reason = Reason::Needless;
    actions.push_back(std::move(action));
  }
  return actions;
}

Decision decide(const Snapshot& snapshot, const Settings& settings) {
  Decision decision;
  std::optional<Time> wait;
  auto needs = needs_of(snapshot);
  auto back = bring_back(snapshot, settings);
  wait_at_most(wait, back.wait_until);
  if (needs.empty() && back.make_room) needs.push_back(*back.make_room);
  decision.actions = stop_needless(snapshot, settings, needs);
  for (const auto& need : needs) {
    const bool one_began = std::any_of(
        decision.actions.begin(), decision.actions.end(),
        [](const Action& action) { return action.verb != Verb::StopLeaving; });
    if (!one_began) relieve(snapshot, settings, need, decision, wait);
  }
  const bool quiet = decision.actions.empty() && leaving_now(snapshot) == 0 &&
                     std::none_of(snapshot.jobs.begin(), snapshot.jobs.end(),
                                  [](auto& job) { return job.state == JobState::ComingIn; });
  if (quiet && back.action) decision.actions.push_back(std::move(*back.action));
  decision.look_again = pause(snapshot, settings, decision, wait);
  return decision;
}

int bounces_when_pushed_out(const Snapshot& snapshot, const Settings& settings,
                            const JobView& job) {
  if (!job.returned_at) return 0;
  const auto stayed = snapshot.now - *job.returned_at;
  return stayed < kBounceStays * least_stay(snapshot, settings, job) ? job.bounces + 1 : 0;
}

bool pages_come_back(Bytes paged_out, Bytes faulted_in) {
  return paged_out > 0 && faulted_in * 2 >= paged_out;
}

}  // namespace tariff::swap
