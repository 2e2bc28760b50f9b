// SPDX-License-Identifier: Apache-2.0
// One run: one system, one load, one seed, from its settings to its result.
// Threading: runs are independent; several may run at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scheduler/idle_offer.h"
#include "scheduler/shard.h"
#include "sim/job_memory.h"
#include "sim/machine.h"
#include "sim/policy_swap_settings.h"
#include "sim/sink.h"
#include "sim/workload.h"

namespace tariff::sim {

enum class Swapping { None, Instant, Policy };

/// Somebody does not answer for a while.
struct Failure {
  enum class What { Agent, Shard };
  What what = What::Agent;
  double share = 0.1;  ///< of the machines; of the shards at least one
  Nanos at = 0;
  Nanos time = 0;
};

struct PlacementSettings {
  std::uint32_t shards = 1;
  scheduler::ShardSettings shard;      ///< its classes are filled from the workload's
  scheduler::OfferSettings offer;
  bool entries_leave = true;           ///< false: a stale entry stays until it is used (the author)
  std::uint32_t k_shards = 3;          ///< lists looked at before a machine enters one
  Nanos look = kTick;                  ///< how often agents think of idle lists
  Nanos communication = 0;             ///< one way, between shards and machines
  std::optional<Nanos> max_wait;       ///< in the queue, every class
  scheduler::Overdue overdue = scheduler::Overdue::Place;
};

struct RunSettings {
  System system = System::Tariff;
  std::uint32_t load = 150;
  std::uint64_t seed = 1;
  std::int64_t ticks = 200;
  std::uint32_t machines = 100;
  std::uint32_t cores = 8;
  WorkloadSettings workload;
  PlacementSettings placement;
  Swapping swapping = Swapping::None;
  MemorySettings memory;
  PolicySwapSettings policy_swap;
  Blocking blocking;
  double cold_share = 0;               ///< of jobs that start cold ...
  Nanos cold_time = 0;                 ///< ... and need so long before they want a CPU
  std::vector<Failure> failures;
  bool keep_all = false;               ///< Sink::all()
  bool measure_busy = true;
  std::int64_t warm_up = 5;            ///< ticks whose utilisation is not kept
};

struct QueueStats {
  std::uint64_t waited = 0;       ///< jobs that waited at a shard at all
  std::uint64_t longest = 0;      ///< jobs in one queue
  double mean = 0;                ///< jobs found waiting at one's shard by a job that comes
  double wait_sum = 0;            ///< ticks, of all jobs
  std::uint64_t refusals = 0;
  std::uint64_t rejected = 0;
  std::array<std::vector<float>, kMostClasses> waits;  ///< ticks, of jobs that waited
};

struct RunResult {
  explicit RunResult(bool keep_all) : sink(keep_all) {}
  Sink sink;
  Samples busy;
  MemoryStats memory;
  QueueStats queue;
  std::uint64_t arrived = 0;
  std::uint64_t placed = 0;
  std::uint64_t from_idle_list = 0;
};

RunResult run(const RunSettings& settings, Source& source);

}  // namespace tariff::sim
