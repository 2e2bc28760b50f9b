// SPDX-License-Identifier: Apache-2.0
// The judging half of bands.h; policy.
#include "agent/bands.h"

#include <algorithm>

namespace tariff::agent {
namespace {

constexpr int kAgentOom = -999;
constexpr int kLauncherOom = -1000;

/// Threads that lower themselves: they may block, and must not keep the loop from running.
bool is_worker(const std::string& unit, const std::string& thread) {
  if (unit == "tariffd.service") return thread == "worker" || thread == "tls";
  return thread == "leaf-maker" || thread == "leaf-remover" || thread == "namespaces" ||
         thread == "journal";
}

std::string level_words(int level) {
  return level == 0 ? std::string("without SCHED_FIFO") : "at SCHED_FIFO " + std::to_string(level);
}

void judge_levels(const ServiceFacts& service, int wanted, const char* key, int workers,
                  std::vector<std::string>& found) {
  const int own = service.threads.front().level;
  if (own != wanted)
    found.push_back(service.unit + " runs " + level_words(own) + ", fifo." + key + " is " +
                    std::to_string(wanted) + ": change CPUSchedulingPriority= of the unit, too, " +
                    "and restart it");
  if (own == 0) return;
  for (const auto& thread : service.threads) {
    if (thread.name == "metrics") continue;  // agent/metrics_server.h: no class waits for a page
    const bool worker = is_worker(service.unit, thread.name);
    const int least = worker ? std::min(workers, own) : own;
    if (thread.level < least)
      found.push_back("thread " + thread.name + " of " + service.unit + " runs " +
                      level_words(thread.level) + " instead of at " + std::to_string(least) +
                      ": jobs can hold it up");
  }
}

void judge_memory(const ServiceFacts& service, int oom, std::vector<std::string>& found) {
  if (service.locked_bytes == 0)
    found.push_back(service.unit + " is not locked in memory: LimitMEMLOCK=infinity and "
                    "CAP_IPC_LOCK in its unit");
  if (service.memory_min == 0)
    found.push_back(service.unit + " has no memory.min: MemoryMin= in its unit");
  else if (service.memory_protected < service.memory_min)
    found.push_back("of memory.min of " + service.unit + ", " +
                    std::to_string(service.memory_min) + " bytes, only " +
                    std::to_string(service.memory_protected) +
                    " count: MemoryMin= of tariff.slice must be the sum of its units'");
  if (service.oom_score_adj > oom)
    found.push_back("oom_score_adj of " + service.unit + " is " +
                    std::to_string(service.oom_score_adj) + " instead of " + std::to_string(oom) +
                    ": OOMScoreAdjust= in its unit");
}

}  // namespace

std::uint64_t protected_share(std::uint64_t asked, std::uint64_t siblings, std::uint64_t above) {
  if (siblings <= above || siblings == 0) return std::min(asked, above);
  const auto share = static_cast<double>(asked) / static_cast<double>(siblings);
  return std::min(asked, static_cast<std::uint64_t>(share * static_cast<double>(above)));
}

std::vector<std::string> objections(const BandFacts& facts, const config::NodeConfig& config) {
  std::vector<std::string> found;
  if (config.cpu_enforcement == config::CpuEnforcement::Fifo) {
    if (facts.rt_group_sched)
      found.push_back("this kernel has CONFIG_RT_GROUP_SCHED: SCHED_FIFO in a cgroup needs a "
                      "real-time budget there, which Tariff does not give; boot with "
                      "rt_group_sched=0 or use another kernel");
    if (!facts.may_set_priorities)
      found.push_back("tariffd has neither CAP_SYS_NICE nor RLIMIT_RTPRIO: starved jobs can be "
                      "neither frozen nor killed in time");
    judge_levels(facts.agent, config.fifo.agent, "agent", config.fifo.workers, found);
    if (!facts.launcher.threads.empty())
      judge_levels(facts.launcher, config.fifo.launcher, "launcher", config.fifo.workers, found);
  }
  judge_memory(facts.agent, kAgentOom, found);
  if (!facts.launcher.threads.empty()) judge_memory(facts.launcher, kLauncherOom, found);
  else if (facts.launcher_expected)
    found.push_back("no process is in the cgroup of " + facts.launcher.unit +
                    ", so its priority is not checked");
  return found;
}

}  // namespace tariff::agent
