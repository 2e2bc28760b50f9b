// SPDX-License-Identifier: Apache-2.0
// An experiment's runs, over loads, systems and seeds, on several threads: each run's result is
// boiled down to a summary at once, so that a sweep needs the memory of the runs under way only.
// All systems of one load and seed get the very same workload.
// The order of the summaries, and so every output, does not depend on the number of threads.
// Threading: run_batch() uses `threads` of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/profile.h"
#include "sim/statistics.h"

namespace tariff::sim {

struct ClassSummary {
  std::uint64_t finished = 0;
  std::uint64_t unfinished = 0;
  std::uint64_t lost = 0;     ///< killed for memory, or rejected
  double p50 = 0;             ///< slowdown of finished jobs
  double p99 = 0;
  double p99_censored = 0;    ///< with unfinished jobs at their age so far
  std::uint64_t swapped = 0;  ///< jobs that were swapped out at least once
  double wait_p99 = 0;        ///< at the shard, ticks, of those that waited
};

/// The quantiles that are kept of utilisations.
inline const std::vector<double> kUtilisationQuantiles = {0, .01, .05, .25, .5, .75, .95, .99, 1};

struct RunSummary {
  System system = System::Tariff;
  std::uint32_t load = 0;
  std::uint64_t seed = 0;
  std::vector<ClassSummary> classes;  ///< by rank
  std::vector<double> busy;           ///< kUtilisationQuantiles
  std::vector<double> memory;
  std::vector<double> moved_out;      ///< MB by machine
  std::uint64_t arrived = 0;
  std::uint64_t placed = 0;
  std::uint64_t from_idle_list = 0;
  std::uint64_t swap_outs = 0;
  std::uint64_t pagings = 0;
  std::uint64_t kills = 0;
  std::uint64_t stalls = 0;
  std::uint64_t queue_longest = 0;
  double queue_mean = 0;
  std::uint64_t waited = 0;
  std::uint64_t refusals = 0;
  std::uint64_t digest = 0;
  std::vector<Outcome> all;           ///< RunSettings::keep_all
};

struct BatchOptions {
  int seeds = 1;    ///< the experiment's and the following ones
  int threads = 1;  ///< 0: one for each core
  std::function<void(std::size_t done, std::size_t of)> progress;
};

/// Ordered by seed, load, system. Error: a trace cannot be read, a system cannot do what is asked.
Result<std::vector<RunSummary>> run_batch(const Experiment& experiment,
                                          const BatchOptions& options);

/// One number for all results.
std::uint64_t digest_of(const std::vector<RunSummary>& runs);

/// A figure of one system and load over the seeds.
Estimate over_seeds(const std::vector<RunSummary>& runs, System system, std::uint32_t load,
                    const std::function<double(const RunSummary&)>& figure);

}  // namespace tariff::sim
