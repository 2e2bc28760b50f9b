// SPDX-License-Identifier: Apache-2.0
// The reading half of bands.h.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <charconv>
#include <filesystem>

#include "agent/bands.h"
#include "base/fd.h"
#include "cgroup/boost.h"
#include "cgroup/parse.h"

namespace tariff::agent {
namespace {

constexpr const char* kSlice = "/sys/fs/cgroup/tariff.slice";

std::string text_of(const std::string& path) {
  auto text = read_file_at(AT_FDCWD, path, 1 << 20);
  return text ? std::move(*text) : std::string();
}

/// "VmLck:  1234 kB" and the like; 0 if it is not there.
std::uint64_t number_after(const std::string& text, const std::string& key, int base = 10) {
  const std::size_t at = text.find(key);
  if (at == std::string::npos) return 0;
  const std::size_t digits = text.find_first_not_of(" \t", at + key.size());
  std::uint64_t value = 0;
  if (digits != std::string::npos)
    std::from_chars(text.data() + digits, text.data() + text.size(), value, base);
  return value;
}

std::uint64_t memory_min(const std::string& cgroup) {
  const auto limit = cgroup::parse_limit(text_of(cgroup + "/memory.min"), "memory.min");
  if (!limit) return 0;
  return *limit ? **limit : ~std::uint64_t{0};
}

/// Sum of memory.min of a cgroup's children.
std::uint64_t children_min(const std::string& cgroup) {
  std::uint64_t sum = 0;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(cgroup, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    if (entry->is_directory(error)) sum += memory_min(entry->path());
  return sum;
}

ServiceFacts facts_of(const std::string& unit) {
  ServiceFacts facts;
  facts.unit = unit;
  const std::string cgroup = std::string(kSlice) + "/" + unit;
  const auto ids = cgroup::parse_ids(text_of(cgroup + "/cgroup.procs"));
  if (!ids || ids->empty()) return facts;
  const std::string process = "/proc/" + std::to_string(ids->front());
  const auto threads = cgroup::parse_ids(text_of(cgroup + "/cgroup.threads"));
  for (const int tid : threads ? *threads : *ids) {
    std::string name = text_of(process + "/task/" + std::to_string(tid) + "/comm");
    if (name.empty()) continue;  // ended meanwhile, or a child just being started
    if (name.back() == '\n') name.pop_back();
    const auto now = cgroup::read_scheduling(tid);
    const ThreadLevel level{std::move(name), now ? cgroup::level(*now) : 0};
    if (tid == ids->front()) facts.threads.insert(facts.threads.begin(), level);
    else facts.threads.push_back(level);
  }
  const std::string adjustment = text_of(process + "/oom_score_adj");
  std::from_chars(adjustment.data(), adjustment.data() + adjustment.size(), facts.oom_score_adj);
  facts.locked_bytes = number_after(text_of(process + "/status"), "VmLck:") * 1024;
  facts.memory_min = memory_min(cgroup);
  const auto slice = protected_share(memory_min(kSlice), children_min("/sys/fs/cgroup"),
                                     ~std::uint64_t{0});
  facts.memory_protected = protected_share(facts.memory_min, children_min(kSlice), slice);
  return facts;
}

/// A kernel that rations real-time CPU by cgroup; Debian's do not. The build's configuration says
/// it, where it is there.
bool rations_real_time() {
  utsname kernel{};
  if (::uname(&kernel) < 0) return false;
  return text_of(std::string("/boot/config-") + kernel.release)
             .find("\nCONFIG_RT_GROUP_SCHED=y") != std::string::npos;
}

bool may_set_priorities() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_RTPRIO, &limit) == 0 && limit.rlim_cur >= 99) return true;
  const auto effective = number_after(text_of("/proc/self/status"), "CapEff:", 16);
  return (effective >> CAP_SYS_NICE & 1) != 0;
}

}  // namespace

BandFacts look_at_bands() {
  BandFacts facts;
  facts.agent = facts_of("tariffd.service");
  facts.launcher = facts_of("tariff-launcher.service");
  facts.may_set_priorities = may_set_priorities();
  facts.rt_group_sched = rations_real_time();
  return facts;
}

}  // namespace tariff::agent
