// SPDX-License-Identifier: Apache-2.0
// The clone: one clone3 into a leaf (CLONE_VM, VFORK, INTO_CGROUP, PIDFD, CLEAR_SIGHAND) whose
// child only moves descriptors into place and executes the trampoline out of a sealed memfd, which
// is never cold. 1.05x of a bare vfork (kernel-facts 1); a fork would copy our page tables.
//
// On kernels with the CLONE_INTO_CGROUP bug (6.12: a leaf whose parent or whose launcher's cgroup
// was ever cgroup.kill'ed kills the child at birth) the self-test says so, and the child then
// moves itself by cgroup.procs before it executes.
// Threading: clone_into() from any worker; it blocks until the child has executed the trampoline.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/fd.h"
#include "launcher/leaf.h"
#include "launcher/stdio.h"

namespace tariff::launcher {

struct Child {
  pid_t pid = 0;
  Fd pidfd;
};

class Cloner {
 public:
  /// Copies the trampoline into a sealed memfd.
  static Result<Cloner*> open(const std::string& trampoline);

  /// Clones a child that exits 7 into a fresh leaf; decides how later ones enter theirs.
  Status self_test(const Leaf& fresh);
  void enter_by_procs() { enter_by_procs_ = true; }

  /// `arguments` are tariff-exec's, argv[0] included; `environment` the handler's.
  Result<Child> clone_into(const Leaf& leaf, const JobStdio& stdio,
                           const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment);

  /// Is this the process of a clone whose result is still on its way to the main thread? Until
  /// settled(pid) only clone_into()'s caller may reap it.
  [[nodiscard]] bool in_flight(pid_t pid) const;
  void settled(pid_t pid);

 private:
  static constexpr int kSlots = 64;  // more than launch threads plus results on their way
  Cloner() = default;
  int take_slot();

  Fd trampoline_;
  std::atomic<bool> enter_by_procs_{false};
  // Written by the kernel (CLONE_PARENT_SETTID) before the child can run, hence before it can die.
  std::atomic<pid_t> slots_[kSlots] = {};
};

}  // namespace tariff::launcher
