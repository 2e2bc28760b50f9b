// SPDX-License-Identifier: Apache-2.0
// A trampoline that waits in its leaf for its one job, and what the launcher holds of it.
// Most of what a launch costs needs no job: two namespaces, mounts, an exec, pipes (3 of 4 ms in
// the guest). So it is done before there is one (leaf_pool.h). Nothing is shared between jobs: each
// has a trampoline of its own in a leaf of its own, and both serve no other job.
// Threading: as an int; the calls are for workers, both block.
#pragma once

#include <vector>

#include "launcher/clone.h"
#include "launcher/messages.h"

namespace tariff::launcher {

struct ReadyChild {
  SharedLeaf leaf;
  JobStdio stdio;              ///< no stdin and stdout yet
  Fd events;                   ///< cgroup.events, read at least once: a change is told by EPOLLPRI
  Fd oom_score;                ///< its oom_score_adj: to look it up is most of the work
  Child child;
  std::vector<Fd> namespaces;  ///< of those that it has handed over (exec_main.cpp)
  bool tracked = false;        ///< the cloner keeps its exit status for us
};

/// Does not wait until it is prepared.
Result<ReadyChild> start_trampoline(Cloner& cloner, SharedLeaf leaf, Cloner::Tracked tracked);

/// Waits until it is. An error: it cannot prepare itself, has died, or the patience is over.
Status await_prepared(ReadyChild& ready, Nanos patience);

/// Gives a prepared one the priority and the OOM score of its class. While it sleeps: so its job
/// comes behind the others of the class when it wakes, where one that lowered itself while it runs
/// would be put before them (kernel/sched/core.c, __sched_setscheduler: who loses priority is
/// queued at the head). Requires: it is tracked, so that its pid is nobody else's. Unavailable: it
/// has died.
Status enter_class(const ReadyChild& ready, const ClassRun& run);

}  // namespace tariff::launcher
