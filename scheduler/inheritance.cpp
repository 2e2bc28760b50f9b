// SPDX-License-Identifier: Apache-2.0
#include "scheduler/inheritance.h"

#include <algorithm>

#include "base/check.h"

namespace tariff::scheduler {

void CallGraph::add(JobId job, int rank) {
  const bool added = jobs_.emplace(job, Job{rank, {}, {}}).second;
  TARIFF_CHECK(added, "a job is added once");
}

int CallGraph::add(JobId job, int rank, JobId caller) {
  const auto found = jobs_.find(caller);
  if (found != jobs_.end()) rank = std::max(rank, found->second.rank);
  add(job, rank);
  if (found == jobs_.end()) return rank;  // the caller has ended: nothing to inherit any more
  jobs_.at(caller).callees.push_back(job);
  jobs_.at(job).callers.push_back(caller);
  return rank;
}

std::vector<Raised> CallGraph::wait_for(JobId caller, JobId callee) {
  std::vector<Raised> raised;
  const auto from = jobs_.find(caller);
  const auto to = jobs_.find(callee);
  if (from == jobs_.end() || to == jobs_.end()) return raised;
  from->second.callees.push_back(callee);
  to->second.callers.push_back(caller);
  spread(caller, raised);
  return raised;
}

std::vector<Raised> CallGraph::raise(JobId job, int rank) {
  std::vector<Raised> raised;
  const auto found = jobs_.find(job);
  if (found == jobs_.end() || found->second.rank >= rank) return raised;
  found->second.rank = rank;
  raised.push_back({job, rank, job});
  spread(job, raised);
  return raised;
}

void CallGraph::spread(JobId from, std::vector<Raised>& raised) {
  std::vector<JobId> open{from};
  while (!open.empty()) {
    const JobId caller = open.back();
    open.pop_back();
    const int rank = jobs_.at(caller).rank;
    for (const auto callee : jobs_.at(caller).callees) {
      auto& its = jobs_.at(callee);
      if (its.rank >= rank) continue;
      its.rank = rank;
      raised.push_back({callee, rank, caller});
      open.push_back(callee);
    }
  }
}

void CallGraph::end(JobId job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  for (const auto caller : found->second.callers)
    if (caller != job) std::erase(jobs_.at(caller).callees, job);
  for (const auto callee : found->second.callees)
    if (callee != job) std::erase(jobs_.at(callee).callers, job);
  jobs_.erase(found);
}

int CallGraph::rank_of(JobId job) const {
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? 0 : found->second.rank;
}

}  // namespace tariff::scheduler
