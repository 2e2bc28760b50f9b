// SPDX-License-Identifier: Apache-2.0
#include "cgroup/boost.h"

#include "base/crash_point.h"

namespace tariff::cgroup {
namespace {

// Lists until nobody is left that has to be put back. Two suffice unless tasks are being born.
constexpr int kMostRestoreRounds = 100;

Result<std::vector<ScheduledTask>> look_at(BoostTarget& leaf) {
  auto ids = leaf.tasks();
  if (!ids) return std::move(ids).error();
  std::vector<ScheduledTask> tasks;
  tasks.reserve(ids->size());
  for (const int tid : *ids)
    if (const auto now = leaf.scheduling(tid)) tasks.push_back({tid, *now});
  return tasks;
}

/// One round: raises whoever is not raised. A number may have been given to a stranger between the
/// list and the raise; whoever is in no later list and is not ours gets back what it had.
Status raise_these(BoostTarget& leaf, BoostPlan& plan, const std::vector<ScheduledTask>& tasks,
                   BoostReport& report) {
  const auto changes = plan.raise(tasks);
  if (changes.empty()) return ok();
  for (const auto& change : changes)
    if (leaf.set(change.tid, change.now)) ++report.raised;
  crash_point("boost.after_raise");
  auto later = leaf.tasks();
  if (!later) return std::move(later).error();
  std::map<int, Scheduling> missing;
  for (const auto& change : changes) missing.emplace(change.tid, change.now);
  for (const int tid : *later) missing.erase(tid);
  for (const auto& task : tasks) {
    if (!missing.contains(task.tid) || !leaf.stranger(task.tid)) continue;
    if (leaf.set(task.tid, task.now)) ++report.strangers;
  }
  return ok();
}

Status raise_all(BoostTarget& leaf, BoostPlan& plan, BoostReport& report) {
  auto tasks = look_at(leaf);
  if (!tasks) return std::move(tasks).error();
  return raise_these(leaf, plan, *tasks, report);
}

Status restore_all(BoostTarget& leaf, const BoostPlan& plan) {
  for (int round = 0; round < kMostRestoreRounds; ++round) {
    auto tasks = look_at(leaf);
    if (!tasks) return std::move(tasks).error();
    const auto changes = plan.restore(*tasks);
    if (changes.empty()) return ok();
    for (const auto& change : changes) (void)leaf.set(change.tid, change.now);
  }
  return Error{ErrorKind::Internal, "tasks of a job that was raised are still above its class", {}};
}

bool gone(const Error& error) { return error.kind == ErrorKind::NotFound; }

Error ended() {
  return Error{ErrorKind::FailedPrecondition, "the job has ended meanwhile", {}};
}

/// Rounds of raising until the goal is reached, or not.
Result<BoostReport> press(BoostTarget& leaf, BoostPlan& plan, BoostGoal goal,
                          std::int64_t patience) {
  BoostReport report;
  const std::int64_t start = leaf.now();
  for (;;) {
    auto state = leaf.state();
    if (!state && !(goal == BoostGoal::Kill && gone(state.error())))
      return std::move(state).error();
    const bool there = goal == BoostGoal::Freeze ? state->frozen : !state || !state->populated;
    report.took = leaf.now() - start;
    report.reached = there;
    const BoostNext next = next_of({there, report.took, patience});
    if (next == BoostNext::Finish || (next == BoostNext::GiveUp && report.rounds > 0))
      return report;
    auto raised = raise_all(leaf, plan, report);
    if (!raised && !gone(raised.error())) return std::move(raised).error();
    const std::int64_t left = patience - (leaf.now() - start);
    const std::int64_t pause = pause_after(report.rounds++);
    if (left > 0) leaf.wait(pause < left ? pause : left);
  }
}

/// It could not be frozen in time: as before, and never above its class. The request goes last, so
/// that what is still raised cannot run; a fork that was under way is looked for afterwards.
Status give_up(BoostTarget& leaf, const BoostPlan& plan) {
  auto restored = restore_all(leaf, plan);
  if (!restored) return restored;
  auto withdrawn = leaf.withdraw_freeze();
  if (!withdrawn) return withdrawn;
  restored = restore_all(leaf, plan);
  if (!restored) return restored;
  leaf.unmark();
  return ok();
}

/// From the pending request to a leaf that is frozen and put back.
Result<BoostReport> finish_freezing(BoostTarget& leaf, BoostPlan& plan, std::int64_t patience) {
  auto report = press(leaf, plan, BoostGoal::Freeze, patience);
  if (!report) return gone(report.error()) ? ended() : std::move(report).error();
  if (!report->reached) {
    auto back = give_up(leaf, plan);
    if (!back) return std::move(back).error();
    return Error{ErrorKind::DeadlineExceeded,
                 "the job could not be frozen within " + std::to_string(patience / 1'000'000) +
                     " ms; it runs on",
                 "a task in uninterruptible sleep (D in ps) cannot be frozen"};
  }
  crash_point("boost.before_restore");
  auto restored = restore_all(leaf, plan);
  if (!restored) return gone(restored.error()) ? ended() : std::move(restored).error();
  leaf.unmark();
  auto state = leaf.state();
  if (!state || !state->populated) return ended();
  return report;
}

}  // namespace

Result<BoostReport> freeze(BoostTarget& leaf, const BoostOptions& options) {
  BoostPlan plan(options.own, options.level);
  auto tasks = look_at(leaf);
  if (!tasks) return gone(tasks.error()) ? ended() : std::move(tasks).error();
  // The trampoline, frozen before it has executed, would hold up the launcher that waits for that.
  if (plan.above_class(*tasks) || tasks->empty())
    return Error{ErrorKind::FailedPrecondition, "the job is still being started, or is ending",
                 "try again"};
  auto marked = leaf.mark(to_text({options.own}));
  if (!marked) return std::move(marked).error();
  crash_point("boost.after_mark");
  auto requested = leaf.request(BoostGoal::Freeze);
  if (!requested) {
    leaf.unmark();
    return gone(requested.error()) ? ended() : std::move(requested).error();
  }
  crash_point("boost.after_request");
  return finish_freezing(leaf, plan, options.patience);
}

Result<BoostReport> kill(BoostTarget& leaf, const BoostOptions& options) {
  auto requested = leaf.request(BoostGoal::Kill);
  if (!requested && !gone(requested.error())) return std::move(requested).error();
  BoostPlan plan(options.own, options.level);
  return press(leaf, plan, BoostGoal::Kill, options.patience);
}

Result<BoostReport> hasten(BoostTarget& leaf, const BoostOptions& options) {
  BoostReport report;
  auto tasks = look_at(leaf);
  if (!tasks && gone(tasks.error())) return report;
  if (!tasks) return std::move(tasks).error();
  std::erase_if(*tasks, [&leaf](const ScheduledTask& task) { return !leaf.doomed(task.tid); });
  BoostPlan plan(options.own, options.level);
  auto raised = raise_these(leaf, plan, *tasks, report);
  if (!raised && !gone(raised.error())) return std::move(raised).error();
  report.rounds = 1;
  // Another task of the job may have got the number of one that died meanwhile.
  for (const auto& task : *tasks) {
    const auto now = leaf.scheduling(task.tid);
    if (!now || level(*now) != options.level || leaf.doomed(task.tid)) continue;
    if (leaf.set(task.tid, task.now)) ++report.strangers;
  }
  return report;
}

Result<bool> thaw(BoostTarget& leaf, const BoostOptions& options) {
  auto requested = leaf.freeze_requested();
  if (!requested) return gone(requested.error()) ? ended() : std::move(requested).error();
  const BoostPlan plan(options.own, options.level);
  auto restored = restore_all(leaf, plan);
  if (!restored) return gone(restored.error()) ? ended() : std::move(restored).error();
  leaf.unmark();
  auto withdrawn = leaf.withdraw_freeze();
  if (!withdrawn) return gone(withdrawn.error()) ? ended() : std::move(withdrawn).error();
  return *requested;
}

Result<std::optional<BoostRecovery>> recover(BoostTarget& leaf, const BoostOptions& options) {
  const auto text = leaf.marked();
  if (!text) return std::optional<BoostRecovery>();
  auto requested = leaf.freeze_requested();
  if (!requested) return std::move(requested).error();
  // The class may have changed since; a record that cannot be read leaves what the caller knows.
  const auto record = parse_boost_record(*text);
  BoostPlan plan(record ? record->own : options.own, options.level);
  const BoostRecovery recovery = recovery_of(*requested);
  if (recovery == BoostRecovery::FinishFreezing) {
    auto frozen = finish_freezing(leaf, plan, options.patience);
    if (!frozen) return std::move(frozen).error();
  } else {
    auto restored = restore_all(leaf, plan);
    if (!restored) return std::move(restored).error();
    leaf.unmark();
  }
  return std::optional(recovery);
}

}  // namespace tariff::cgroup
