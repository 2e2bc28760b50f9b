// SPDX-License-Identifier: Apache-2.0
// Class inheritance along call chains: a job runs in the higher of its own class and its callers',
// else a high class would wait for a low one that it called (the paper, 3.1). It holds at once for
// callees that are queued or running already, when their caller is raised or when a further caller
// begins to wait for them.
//
// A class is never lowered again: work that was done for a caller is billed to it, and who has
// begun at a priority ends at it. Callers form a graph without bound; a cycle is harmless, since a
// rank only grows.
// Costs: O(descendants raised). Threading: plain value.
#pragma once

#include <unordered_map>
#include <vector>

#include "scheduler/model.h"

namespace tariff::scheduler {

struct Raised {
  JobId job = 0;
  int rank = 0;      ///< from now on
  JobId caller = 0;  ///< from whom it has it: the bill says so

  bool operator==(const Raised&) const = default;
};

class CallGraph {
 public:
  /// A job that nobody calls. Requires: not known yet (also below).
  void add(JobId job, int rank);

  /// A call. Returns the class it runs in.
  int add(JobId job, int rank, JobId caller);

  /// `caller` waits for a job that runs already. Who must be raised, in any order.
  std::vector<Raised> wait_for(JobId caller, JobId callee);

  /// Raised from outside, by an administrator. With everybody it has called.
  std::vector<Raised> raise(JobId job, int rank);

  /// It ended. What it called goes on as it is.
  void end(JobId job);

  /// Its effective class; 0: not known.
  [[nodiscard]] int rank_of(JobId job) const;
  [[nodiscard]] std::size_t size() const { return jobs_.size(); }

 private:
  struct Job {
    int rank = 0;
    std::vector<JobId> callees;
    std::vector<JobId> callers;
  };
  void spread(JobId from, std::vector<Raised>& raised);
  std::unordered_map<JobId, Job> jobs_;
};

}  // namespace tariff::scheduler
