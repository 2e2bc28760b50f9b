// SPDX-License-Identifier: Apache-2.0
// What a dead launcher left in the job tree. Its jobs cannot be gone on with: their exit status
// goes to nobody and their result died with it. So they are ended, and each has a defined fate:
//   leaf without a job's mark    the handler never ran: removed; the job, if there was one, is
//                                forgotten and may be repeated
//   marked                       it may have run: killed; ends as LAUNCHER_LOST, usage is kept
// The mark is the last thing before the trampoline gets the job (running_job.cpp).
// "class-*/j-*" below the tree are leaves; everything else there belongs to others.
// May block; called at the start, and when the tree changes.
#pragma once

#include <string>

#include "launcher/jobs.h"

namespace tariff::launcher {

void end_lost_jobs(const std::string& tree, JobTable& table, Jobs& jobs, LeafPool& leaves);

/// A leaf directly below the tree, for the self-test of clone3.
Result<Leaf> make_test_leaf(const std::string& tree);

/// --kill-all: every leaf at once, then waits until they are empty and removes them. For the stop
/// of the machine and the removal of the package: starved jobs must delay neither.
/// True if nothing is left.
bool kill_whole_tree(const std::string& tree, Nanos patience);

}  // namespace tariff::launcher
