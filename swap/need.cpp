// SPDX-License-Identifier: Apache-2.0
#include "swap/need.h"

#include <algorithm>
#include <limits>

namespace tariff::swap {
namespace {

/// The highest class that waits, or none.
const ClassView* highest_sufferer(const Snapshot& snapshot) {
  const ClassView* highest = nullptr;
  for (const auto& row : snapshot.classes)
    if (row.suffers && (highest == nullptr || row.rank > highest->rank)) highest = &row;
  return highest;
}

bool somebody_below_has_memory(const Snapshot& snapshot, int rank) {
  return std::any_of(snapshot.jobs.begin(), snapshot.jobs.end(), [rank](const JobView& job) {
    return job.rank < rank && job.state != JobState::Held && job.resident >= kLeastUseful;
  });
}

}  // namespace

std::optional<Need> pressure_need(const Snapshot& snapshot) {
  const auto* sufferer = highest_sufferer(snapshot);
  if (sufferer == nullptr || !somebody_below_has_memory(snapshot, sufferer->rank))
    return std::nullopt;
  const Bytes wanted = snapshot.memory.watermark + snapshot.memory.headroom;
  if (snapshot.memory.free >= wanted) return std::nullopt;
  Need need;
  need.reason = Reason::Pressure;
  need.suffering_rank = sufferer->rank;
  need.floor = sufferer->rank - 1;
  need.bytes = wanted - snapshot.memory.free;
  need.urgent = true;
  return need;
}

std::optional<Need> headroom_need(const Snapshot& snapshot) {
  const auto& memory = snapshot.memory;
  if (!memory.low || memory.usable >= memory.leave) return std::nullopt;
  Need need;
  need.reason = Reason::Headroom;
  need.floor = std::numeric_limits<int>::max();
  need.bytes = memory.leave - memory.usable;
  need.urgent = memory.usable < memory.headroom / 2;
  return need;
}

std::vector<Need> needs_of(const Snapshot& snapshot) {
  std::vector<Need> needs;
  if (auto need = pressure_need(snapshot)) needs.push_back(*need);
  if (auto need = headroom_need(snapshot)) needs.push_back(*need);
  return needs;
}

bool may_touch(const Need& need, const JobView& job) {
  if (job.rank <= need.floor) return true;
  return need.behind && (job.state == JobState::Out || is_leaving(job)) &&
         job.rank == need.behind->rank && runs_before(*need.behind, job);
}

Bytes release_of(const JobView& job, const Snapshot& snapshot, const Settings& settings) {
  const bool fresh = snapshot.now - job.since < settings.release_patience;
  switch (job.state) {
    case JobState::Freezing:
      if (!fresh) return 0;
      [[fallthrough]];
    case JobState::Reclaiming:
    case JobState::Paging:
      return static_cast<Bytes>(static_cast<double>(std::min(job.asked, job.resident)) *
                                snapshot.swap.gain);
    case JobState::Ending: return fresh ? job.resident : 0;
    default: return 0;
  }
}

bool outpaced(const Snapshot& snapshot) {
  const auto& swap = snapshot.swap;
  if (!snapshot.memory.low || !swap.present || swap.out_speed == 0) return false;
  return static_cast<double>(snapshot.memory.growth) >=
         static_cast<double>(swap.out_speed) * swap.gain;
}

Bytes releases_under_way(const Snapshot& snapshot, const Settings& settings) {
  Bytes sum = 0;
  for (const auto& job : snapshot.jobs) sum += release_of(job, snapshot, settings);
  return sum;
}

}  // namespace tariff::swap
