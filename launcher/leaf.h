// SPDX-License-Identifier: Apache-2.0
// One job's leaf cgroup, through its directory descriptor: limits, the xattr that outlives the
// launcher, processes, usage. Leaves are single-use, so cgroup.kill may be used on them (a leaf
// that was ever killed must not get another job on 6.12: CLONE_INTO_CGROUP kills the child there).
// Every call may block in the kernel: workers only, except where it says otherwise.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "cgroup/parse.h"
#include "launcher/job_record.h"
#include "launcher/workers.h"

namespace tariff::launcher {

struct Leaf {
  std::string path;  ///< below the tree: "class-1-bulk/j-5f3a-12"
  Fd directory;
};
/// Tasks on workers hold one, so that a leaf is not closed under them.
using SharedLeaf = std::shared_ptr<const Leaf>;

struct LeafLimits {
  std::uint64_t memory_max = 0;  ///< 0 none
  std::uint64_t pids_max = 0;    ///< 0 none
};
Status set_limits(const Leaf& leaf, const LeafLimits& limits);

/// The job's identity and record as bytes, kept by the kernel with the leaf when the launcher dies:
/// an extended attribute that only root reads and writes. Empty: the leaf was never given to a job.
Status write_job_xattr(const Leaf& leaf, const std::string& bytes);
std::string read_job_xattr(const Leaf& leaf);

/// cgroup.events through a descriptor opened on it. Does not block: also on the main thread.
Result<cgroup::CgroupEvents> read_events(int events_fd);

/// TERM to every process; those whom it kills are raised (cgroup::hasten()), since a starved job
/// would die of it only when it gets a CPU. Those made meanwhile are the KILL's.
void terminate_all(const Leaf& leaf);
/// cgroup.kill, then raises what is dying, so that a starved job dies too (cgroup/boost.h), until
/// the leaf is empty or the patience is over; 0: one round. True: it is empty.
Result<bool> kill_all(const Leaf& leaf, Nanos patience);
/// The same on a worker, a short turn at a time, so that a leaf that does not die (a task in
/// uninterruptible sleep) holds up no other; given up and logged after a long while.
void end_leaf(Workers& workers, SharedLeaf leaf);

/// `killed`: the main process was, so that the kernel may have done it for memory.
JobUsage read_usage(const Leaf& leaf, bool killed);
std::int64_t read_cpu_us(const Leaf& leaf);           ///< -1 if it cannot be read
std::int64_t read_memory_current(const Leaf& leaf);   ///< -1 if it cannot be read

}  // namespace tariff::launcher
