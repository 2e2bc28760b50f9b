// SPDX-License-Identifier: Apache-2.0
// Whether what the priorities promise is so: that agent, launcher and their workers really run in
// their SCHED_FIFO bands, that real-time scheduling is not rationed per cgroup, that our processes
// are locked in memory, protected on every ancestor and not the OOM killer's choice.
// look_at_bands() reads, objections() judges: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"

namespace tariff::agent {

struct ThreadLevel {
  std::string name;  ///< comm
  int level = 0;     ///< SCHED_FIFO priority; 0: not SCHED_FIFO
};

/// One of our services, as the kernel has it.
struct ServiceFacts {
  std::string unit;
  std::vector<ThreadLevel> threads;   ///< the main thread first; empty: it does not run
  int oom_score_adj = 0;
  std::uint64_t locked_bytes = 0;     ///< VmLck
  std::uint64_t memory_min = 0;       ///< of its own cgroup
  std::uint64_t memory_protected = 0; ///< what the ancestors leave of it
};

struct BandFacts {
  ServiceFacts agent;
  ServiceFacts launcher;
  bool launcher_expected = true;      ///< connected: else its absence is reported elsewhere
  bool may_set_priorities = true;     ///< CAP_SYS_NICE or RLIMIT_RTPRIO
  bool rt_group_sched = false;        ///< CONFIG_RT_GROUP_SCHED
};

/// May read a few dozen files: not on the loop.
BandFacts look_at_bands();

/// What is wrong, each with what to do. Empty: all is well.
std::vector<std::string> objections(const BandFacts& facts, const config::NodeConfig& config);

/// memory.min that counts at the end of a path: each ancestor shares what it has among its
/// children in proportion to what they ask (cgroup-v2.rst). `asked`: of the child; `siblings`: the
/// sum of all children, the child's included; `above`: what counts at the parent.
std::uint64_t protected_share(std::uint64_t asked, std::uint64_t siblings, std::uint64_t above);

}  // namespace tariff::agent
