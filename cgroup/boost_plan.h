// SPDX-License-Identifier: Apache-2.0
// Raising a starved job so that it can be frozen or killed: the decisions, without the kernel.
//
// A job that higher classes starve can be neither frozen nor killed until it gets a CPU: 4 to 6 s
// behind hogs, 1.5 ms when its tasks are raised above every class (docs/performance.md). The order
// is what keeps its code below its class: first the request (cgroup.freeze, cgroup.kill), which
// makes every task run into its trap before the next instruction of its own, then the raise, and
// what was raised is put back while the leaf is frozen.
//
// Raised tasks keep no SCHED_RESET_ON_FORK: a child of a fork that was under way is born raised,
// with the request pending, and so runs into the trap at once instead of starving.
// Times are nanoseconds. Threading: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tariff::cgroup {

/// A task's scheduling policy as sched_setattr(2) takes it.
struct Scheduling {
  int policy = 0;              ///< SCHED_OTHER 0, SCHED_FIFO 1, SCHED_RR 2, SCHED_BATCH 3, ...
  int priority = 0;            ///< 1..99 with SCHED_FIFO and SCHED_RR, else 0
  int nice = 0;                ///< -20..19, used by the other policies
  bool reset_on_fork = false;

  bool operator==(const Scheduling&) const = default;
};
constexpr int kPolicyFifo = 1;
constexpr int kPolicyRoundRobin = 2;
/// Who preempts whom: the real-time priority, 0 for everything that is not real-time.
int level(const Scheduling& scheduling);

struct ScheduledTask {
  int tid = 0;
  Scheduling now;
};

/// What the kernel says of a task that has been sent a signal.
struct TaskFate {
  std::uint64_t pending = 0;  ///< /proc/TID/status SigPnd: bit N-1 is signal N
  std::uint64_t flags = 0;    ///< /proc/TID/stat, field 9
};
/// Will never run an instruction of its own again. Whether a signal kills is decided when it is
/// sent: if nothing catches, ignores, blocks or traces it away, the kernel gives each thread a
/// pending KILL with it (kernel/signal.c, complete_signal()). That is asked for, and not the masks
/// of the process: those say nothing of a tracer, nor of the first process of a PID namespace, and
/// may have changed since.
bool doomed(const TaskFate& fate);
/// From the two files' texts; what cannot be read counts as alive.
TaskFate parse_task_fate(std::string_view status, std::string_view stat);

enum class BoostGoal { Freeze, Kill };

/// What is recorded on a leaf before its first task is raised: what to put back after a crash, when
/// nobody knows any more what each task had.
struct BoostRecord {
  Scheduling own;  ///< the class's

  bool operator==(const BoostRecord&) const = default;
};
std::string to_text(const BoostRecord& record);
Result<BoostRecord> parse_boost_record(std::string_view text);

/// Who is raised, who is put back to what. Remembers what each raised task had.
class BoostPlan {
 public:
  /// `own`: the class's policy; no task of the job belongs above it.
  BoostPlan(const Scheduling& own, int boost_level) : own_(own), boost_level_(boost_level) {}

  /// The tasks that are to be raised, with their new policy.
  std::vector<ScheduledTask> raise(const std::vector<ScheduledTask>& tasks);
  /// The tasks that have not what they had, or the class's policy if that is not known.
  [[nodiscard]] std::vector<ScheduledTask> restore(const std::vector<ScheduledTask>& tasks) const;
  /// Is one of them above its class? Then it is no user code yet (the trampoline), or left raised.
  [[nodiscard]] bool above_class(const std::vector<ScheduledTask>& tasks) const;

 private:
  Scheduling own_;
  int boost_level_;
  std::map<int, Scheduling> had_;
};

/// What to do after a look at the leaf.
enum class BoostNext {
  Finish,   ///< frozen (put back what was raised), or dead
  Raise,    ///< raise whoever is not, then look again after pause()
  GiveUp,   ///< put back what was raised, then withdraw the request if it can be
};
struct BoostLook {
  bool reached = false;        ///< cgroup.events: frozen 1, or populated 0
  std::int64_t elapsed = 0;    ///< since the request
  std::int64_t patience = 0;
};
BoostNext next_of(const BoostLook& look);
/// How long to wait for the kernel's word before the tasks are listed again. `round` from 0.
std::int64_t pause_after(int round);

/// What a starting agent does with a leaf on which an earlier one left its record.
enum class BoostRecovery {
  PutBack,         ///< nothing had been asked of it: put back, forget the record
  FinishFreezing,  ///< the freeze is pending or done: bring it to its end, then put back
};
BoostRecovery recovery_of(bool freeze_requested);

}  // namespace tariff::cgroup
