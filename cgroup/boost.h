// SPDX-License-Identifier: Apache-2.0
// Freezing and killing a job that higher classes starve: the request first, then its tasks are
// raised, again and again until it is done or the deadline (why: cgroup/boost_plan.h).
//
//   cgroup::LeafTarget leaf(directory.get());
//   auto frozen = cgroup::freeze(leaf, {.own = class_scheduling, .level = 54, .patience = 2s});
//
// At every instant a raised task has its request pending or is frozen, so none runs a single
// instruction of its own above its class: not when a fork bomb makes tasks meanwhile, and not when
// the caller dies (the leaf's record says so: recover()).
// Needs CAP_SYS_NICE, and CAP_SYS_ADMIN for the record. Links neither libcgroup nor anything else,
// since the launcher uses it, too.
// Threading: every call may block for its patience; two at once on one leaf only as kill() beside
// anything else. The caller must itself run above the boost level, or the raised job delays it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cgroup/boost_plan.h"

namespace tariff::cgroup {

/// One leaf, as much of it as raising needs. The kernel's is LeafTarget; tests have their own.
class BoostTarget {
 public:
  BoostTarget() = default;
  BoostTarget(const BoostTarget&) = delete;
  BoostTarget& operator=(const BoostTarget&) = delete;
  virtual ~BoostTarget() = default;

  struct State {
    bool frozen = false;
    bool populated = true;
  };
  virtual Result<State> state() = 0;                            ///< NotFound: the leaf is gone
  virtual Result<std::vector<int>> tasks() = 0;                 ///< cgroup.threads
  virtual std::optional<Scheduling> scheduling(int tid) = 0;    ///< empty: no such task
  virtual bool set(int tid, const Scheduling& scheduling) = 0;  ///< false: no such task
  /// A task that is not listed any more: is the number free, or is it still this leaf's on its way
  /// out? Else it is a stranger's.
  virtual bool stranger(int tid) = 0;
  virtual bool doomed(int tid) = 0;                             ///< doomed() of boost_plan.h

  virtual Status request(BoostGoal goal) = 0;
  virtual Status withdraw_freeze() = 0;
  virtual Result<bool> freeze_requested() = 0;

  virtual Status mark(const std::string& record) = 0;
  virtual std::optional<std::string> marked() = 0;
  virtual void unmark() = 0;

  virtual std::int64_t now() = 0;
  /// Waits for a change of state(), at most so long.
  virtual void wait(std::int64_t nanoseconds) = 0;
};

struct BoostOptions {
  Scheduling own;                  ///< the class's policy; not used by kill() and hasten()
  int level = 54;                  ///< fifo.boost: above every class, below our own processes
  std::int64_t patience = 0;       ///< ns until it is given up; 0: one round
};

struct BoostReport {
  std::int64_t took = 0;  ///< ns from the request
  int rounds = 0;
  int raised = 0;
  int strangers = 0;      ///< had taken a number between two looks; put back at once
  bool reached = false;   ///< frozen, or dead. freeze() that did not get there is an error
};

/// Freezes the leaf; on return every task has its own policy again. Errors: FailedPrecondition
/// (the job is still being started, or has ended), DeadlineExceeded (it runs again, as before).
Result<BoostReport> freeze(BoostTarget& leaf, const BoostOptions& options);

/// Kills the leaf's tasks for good. What is dying needs no policy back. Not reached within the
/// patience is no error: the signal is pending; call it again.
Result<BoostReport> kill(BoostTarget& leaf, const BoostOptions& options);

/// After a signal that kills whoever does not catch it: raises those whom it does kill, once, so
/// that they die now instead of when they get a CPU. Whoever catches it keeps its place.
Result<BoostReport> hasten(BoostTarget& leaf, const BoostOptions& options);

/// Puts back what is still raised, and thaws. True: it was frozen.
Result<bool> thaw(BoostTarget& leaf, const BoostOptions& options);

/// After a crash: puts right what an earlier caller left (recovery_of()). Empty: there was nothing.
Result<std::optional<BoostRecovery>> recover(BoostTarget& leaf, const BoostOptions& options);

/// Of any task; also for others than a job's (agent/psimon.h).
std::optional<Scheduling> read_scheduling(int tid);
bool write_scheduling(int tid, const Scheduling& scheduling);

/// A leaf's cgroup directory, borrowed.
class LeafTarget final : public BoostTarget {
 public:
  explicit LeafTarget(int directory) : directory_(directory) {}

  Result<State> state() override;
  Result<std::vector<int>> tasks() override;
  std::optional<Scheduling> scheduling(int tid) override;
  bool set(int tid, const Scheduling& scheduling) override;
  bool stranger(int tid) override;
  bool doomed(int tid) override;
  Status request(BoostGoal goal) override;
  Status withdraw_freeze() override;
  Result<bool> freeze_requested() override;
  Status mark(const std::string& record) override;
  std::optional<std::string> marked() override;
  void unmark() override;
  std::int64_t now() override;
  void wait(std::int64_t nanoseconds) override;

 private:
  int directory_;
  Fd events_;         ///< cgroup.events; poll() tells of changes since it was last read
  std::string path_;  ///< as /proc/PID/cgroup names it
};

}  // namespace tariff::cgroup
