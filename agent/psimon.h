// SPDX-License-Identifier: Apache-2.0
// The kernel's pressure threads. A PSI trigger is delivered by a kernel thread "psimon" of its
// cgroup, which runs at FIFO 1: behind jobs that use every CPU it says nothing (measured: no event
// in 6 s, with it raised the first after 0.1 s). So every psimon is raised between the classes and
// our own processes. The kernel makes a new one for each cgroup that gets its first trigger, and
// the new one sets its own priority when it first runs; so look again now and then.
// A change of the host: what was changed is returned, and put_back() undoes it. It needs no record
// on disk: the kernel gives every psimon FIFO 1, so one that has our priority is known to be ours,
// also to who undoes it after an agent that was killed (tariffd --undo-host-changes).
// Threading: any; reads /proc, about a millisecond: not on the agent's loop.
#pragma once

#include <vector>

#include "cgroup/boost_plan.h"

namespace tariff::agent {

constexpr int kPsimonPriority = 52;  ///< design.md: threaded interrupts 50, psimon 52, boost 54

struct RaisedThread {
  int tid = 0;
  cgroup::Scheduling before;
};

/// Raises those that are below; returns only what it changed.
std::vector<RaisedThread> raise_psimon();

/// All that still have our priority get back what they had, or FIFO 1 if that is not known here.
void put_back(const std::vector<RaisedThread>& raised = {});

}  // namespace tariff::agent
