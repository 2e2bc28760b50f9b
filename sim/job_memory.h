// SPDX-License-Identifier: Apache-2.0
// How the memory of jobs grows, and what a run keeps of it. The amount of swapping depends mostly
// on the growth, so it is a switch:
//   Random  with each tick in which a job ran it grows by uniform(0, maximum - present); the
//   author's
//   Linear  in proportion to its CPU progress: the maximum is reached when it ends
//   Step    it has its maximum from the start
// Units: kilobytes. Threading: plain values.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "base/random.h"
#include "sim/model.h"
#include "sim/utilisation.h"

namespace tariff::sim {

enum class Growth { Random, Linear, Step };

struct JobMemory {
  Kilobytes size = 0;      ///< resident, or in swap if it is out
  Kilobytes most = 0;
  std::uint64_t moved_out = 0;  ///< summed over its swap-outs
  std::uint16_t swap_outs = 0;
  bool out = false;
  bool ran = false;        ///< in this tick
};

/// Of one run, over all machines.
struct MemoryStats {
  std::vector<JobMemory> jobs;                  ///< by JobIndex
  std::vector<std::uint64_t> moved_out;         ///< kB by machine, of finished jobs
  std::array<std::uint64_t, kMostClasses> swapped{};  ///< jobs that were swapped at least once
  Samples used;                                 ///< of RAM, per machine and tick
  std::uint64_t swap_outs = 0;
  std::uint64_t swap_ins = 0;
  std::uint64_t pagings = 0;
  std::uint64_t kills = 0;
  std::uint64_t stalls = 0;                     ///< job-steps that waited for memory

  JobMemory& of(JobIndex job) {
    if (job >= jobs.size()) jobs.resize(job + 1 + job / 2);
    return jobs[job];
  }
};

struct MemorySettings {
  Growth growth = Growth::Random;
  Kilobytes ram = 32'000 * kMegabyte;
  Kilobytes start = 100 * kMegabyte;  ///< a job's, before it has run
};

inline Kilobytes first_size(const MemorySettings& settings, Kilobytes most) {
  return settings.growth == Growth::Step ? most : std::min(settings.start, most);
}

}  // namespace tariff::sim
