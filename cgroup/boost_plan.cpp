// SPDX-License-Identifier: Apache-2.0
#include "cgroup/boost_plan.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace tariff::cgroup {
namespace {

// The kernel tells of a frozen or empty leaf at once; the pause is for tasks that were born
// meanwhile. Short first, since a fork that was under way has ended after a fraction of that.
constexpr std::int64_t kFirstPause = 500'000;
constexpr std::int64_t kLongestPause = 20'000'000;

constexpr std::string_view kRecordVersion = "1";

constexpr std::uint64_t kKillBit = 1ULL << (9 - 1);  // SIGKILL
constexpr std::uint64_t kExiting = 0x4;              // PF_EXITING, linux/sched.h
constexpr int kFieldsBeforeFlags = 6;                // state, ppid, pgrp, session, tty_nr, tpgid

}  // namespace

int level(const Scheduling& scheduling) {
  const bool real_time =
      scheduling.policy == kPolicyFifo || scheduling.policy == kPolicyRoundRobin;
  return real_time ? scheduling.priority : 0;
}

std::string to_text(const BoostRecord& record) {
  return std::string(kRecordVersion) + " " + std::to_string(record.own.policy) + " " +
         std::to_string(record.own.priority) + " " + std::to_string(record.own.nice);
}

Result<BoostRecord> parse_boost_record(std::string_view text) {
  const Error wrong{ErrorKind::InvalidArgument,
                    "\"" + std::string(text.substr(0, 64)) + "\" is no record of a raised job", {}};
  if (!text.starts_with(std::string(kRecordVersion) + " ")) return wrong;
  text.remove_prefix(kRecordVersion.size());
  std::array<int, 3> numbers{};
  for (int& number : numbers) {
    if (!text.starts_with(" ")) return wrong;
    text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return wrong;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  if (!text.empty()) return wrong;
  BoostRecord record;
  record.own = Scheduling{numbers[0], numbers[1], numbers[2], false};
  if (record.own.policy < 0 || record.own.priority < 0 || record.own.priority > 99) return wrong;
  return record;
}

bool doomed(const TaskFate& fate) {
  return (fate.pending & kKillBit) != 0 || (fate.flags & kExiting) != 0;
}

TaskFate parse_task_fate(std::string_view status, std::string_view stat) {
  TaskFate fate;
  constexpr std::string_view kPending = "\nSigPnd:\t";
  if (const auto at = status.find(kPending); at != std::string_view::npos) {
    const char* begin = status.data() + at + kPending.size();
    (void)std::from_chars(begin, status.data() + status.size(), fate.pending, 16);
  }
  // The name before it may hold anything, also brackets and blanks.
  auto at = stat.rfind(") ");
  for (int field = 0; at != std::string_view::npos && field <= kFieldsBeforeFlags; ++field)
    at = stat.find(' ', field == 0 ? at : at + 1);
  if (at != std::string_view::npos)
    (void)std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), fate.flags);
  return fate;
}

std::vector<ScheduledTask> BoostPlan::raise(const std::vector<ScheduledTask>& tasks) {
  std::vector<ScheduledTask> changes;
  for (const auto& task : tasks) {
    if (level(task.now) >= boost_level_) continue;
    had_.try_emplace(task.tid, task.now);
    changes.push_back({task.tid, {kPolicyFifo, boost_level_, task.now.nice,
                                  task.now.reset_on_fork}});
  }
  return changes;
}

std::vector<ScheduledTask> BoostPlan::restore(const std::vector<ScheduledTask>& tasks) const {
  std::vector<ScheduledTask> changes;
  for (const auto& task : tasks) {
    Scheduling wanted = level(task.now) > level(own_) ? own_ : task.now;
    wanted.reset_on_fork = task.now.reset_on_fork;
    // The number may be another task's by now; one that was not raised has nothing to be put back.
    const auto had = had_.find(task.tid);
    if (had != had_.end() && level(task.now) >= boost_level_ &&
        level(had->second) <= level(own_))
      wanted = had->second;
    if (!(wanted == task.now)) changes.push_back({task.tid, wanted});
  }
  return changes;
}

bool BoostPlan::above_class(const std::vector<ScheduledTask>& tasks) const {
  return std::any_of(tasks.begin(), tasks.end(), [this](const ScheduledTask& task) {
    return level(task.now) > level(own_);
  });
}

BoostNext next_of(const BoostLook& look) {
  if (look.reached) return BoostNext::Finish;
  return look.elapsed < look.patience ? BoostNext::Raise : BoostNext::GiveUp;
}

std::int64_t pause_after(int round) {
  return std::min(kLongestPause, kFirstPause << std::clamp(round, 0, 16));
}

BoostRecovery recovery_of(bool freeze_requested) {
  return freeze_requested ? BoostRecovery::FinishFreezing : BoostRecovery::PutBack;
}

}  // namespace tariff::cgroup
