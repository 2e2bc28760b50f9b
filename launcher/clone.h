// SPDX-License-Identifier: Apache-2.0
// The clone: one clone3 into a leaf (CLONE_VM, VFORK, INTO_CGROUP, PIDFD, CLEAR_SIGHAND) whose
// child only moves descriptors into place and executes the trampoline out of a sealed memfd, which
// is never cold. 1.05x of a bare vfork (kernel-facts 1); a fork would copy our page tables. The
// trampoline prepares itself and waits until hand_over() gives it its job.
//
// The child must not even for a moment hold our other descriptors: as the last holder of another
// job's namespace it would have to end it, and wait for kernel threads that hogs starve (measured:
// launches that took up to 29 s). So it shares our table (CLONE_FILES) until it takes a copy of the
// numbers below kReservedFds alone; what it needs is put there before, in a band per thread.
//
// On kernels with the CLONE_INTO_CGROUP bug (6.12: a leaf whose parent or whose launcher's cgroup
// was ever cgroup.kill'ed kills the child at birth) the self-test says so, and the child then
// moves itself by cgroup.procs before it executes.
// Threading: from any worker; clone_into() blocks until the child has executed the trampoline.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/fd.h"
#include "launcher/leaf.h"
#include "launcher/reserved_fds.h"
#include "launcher/stdio.h"

namespace tariff::launcher {

struct Child {
  pid_t pid = 0;
  Fd pidfd;
};

class Cloner {
 public:
  /// Copies the trampoline into a sealed memfd. Requires: the reserved numbers are occupied.
  static Result<Cloner*> open(const std::string& trampoline);

  /// Clones a child that exits 7 into a fresh leaf; decides how later ones enter theirs.
  Status self_test(const Leaf& fresh);
  void enter_by_procs() { enter_by_procs_ = true; }
  [[nodiscard]] bool enters_by_procs() const { return enter_by_procs_; }

  /// What becomes of a child that ends before it has a job: Yes, it is kept for whoever called
  /// (who settles it); No, the main thread reaps it as it does any orphan.
  enum class Tracked { No, Yes };
  /// Clones a trampoline with the job's ends of stderr, marker and channel; its stdin and stdout
  /// come with the job.
  Result<Child> clone_into(const Leaf& leaf, const JobStdio& stdio, Tracked tracked);
  /// Of a child that was not: from now on, if it has not ended before.
  void track(pid_t pid);

  /// Gives a trampoline its job, with `stdio`'s ends for stdin and stdout. `arguments` are
  /// tariff-exec's, argv[0] included; `environment` the handler's. Unavailable: it has died.
  static Status hand_over(const JobStdio& stdio, const std::vector<std::string>& arguments,
                          const std::vector<std::string>& environment);

  /// Is this the process of a launch whose result is still on its way to the main thread? Until
  /// settled(pid) it is not reaped.
  [[nodiscard]] bool in_flight(pid_t pid) const;
  void settled(pid_t pid);

 private:
  static constexpr int kSlots = 64;  // more than launch threads plus results on their way
  Cloner() = default;
  int take_slot();

  std::atomic<bool> enter_by_procs_{false};
  // Written by the kernel (CLONE_PARENT_SETTID) before the child can run, hence before it can die.
  std::atomic<pid_t> slots_[kSlots] = {};
};

}  // namespace tariff::launcher
