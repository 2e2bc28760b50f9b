// SPDX-License-Identifier: Apache-2.0
// What the agent has changed on this machine, beside what is there now. Read here and not through
// the agent's own code: doctor also works without root, systemd's answer and an agent.
#include <sched.h>

#include <cstdlib>

#include "agent/host_changes.h"
#include "cgroup/cpu_set.h"
#include "tools/ctl/doctor_checks.h"
#include "tools/ctl/doctor_sources.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

constexpr const char* kCgroups = "/sys/fs/cgroup/";
constexpr const char* kOurSlice = "tariff.slice/";
constexpr std::string_view kAllowed = " AllowedCPUs";

std::optional<std::string> line_of(const std::string& path) {
  auto text = text_of_file(path);
  if (text) text->erase(text->find_last_not_of('\n') + 1);
  return text;
}

/// Names come from a file that others may have written: none may lead elsewhere.
bool is_one_name(const std::string& name) {
  return !name.empty() && name.find("..") == std::string::npos && name.front() != '/';
}

std::optional<std::string> affinity_of(const std::string& target) {
  const auto blank = target.find(' ');
  const int pid = std::atoi(target.c_str());
  if (blank == std::string::npos || pid <= 0 ||
      line_of("/proc/" + std::to_string(pid) + "/comm") != target.substr(blank + 1))
    return std::nullopt;  // that thread has ended
  cpu_set_t set;
  if (::sched_getaffinity(pid, sizeof set, &set) < 0) return std::nullopt;
  cgroup::CpuSet cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.insert(cpu);
  return cgroup::cpu_list(cpus);
}

}  // namespace

std::optional<std::string> present_value(const HostChange& change) {
  const auto& target = change.target;
  if (!is_one_name(target)) return std::nullopt;
  if (change.what == "kthread") return affinity_of(target);
  if (change.what == "workqueue") return line_of("/sys/devices/virtual/workqueue/" + target);
  if (change.what == "irq")
    return line_of(target == "default" ? "/proc/irq/default_smp_affinity"
                                       : "/proc/irq/" + target + "/smp_affinity_list");
  if (change.what != "unit-property" || !target.ends_with(kAllowed)) return std::nullopt;
  const std::string file = target.substr(0, target.size() - kAllowed.size()) + "/cpuset.cpus";
  const auto value = line_of(kCgroups + file);
  return value ? value : line_of(std::string(kCgroups) + kOurSlice + file);
}

bool is_as_set(const HostChange& change) {
  return !change.present ||
         agent::same_value({change.what, change.target}, *change.present, change.now);
}

void check_host_changes(const Facts& facts, Findings& out) {
  for (const auto& change : facts.mode.changes) {
    const std::string what = printable(change.what) + " " + printable(change.target) + ": " +
                             printable(change.before) + " -> " + printable(change.now);
    if (is_as_set(change))
      out.push_back({"host change", Verdict::Note, what,
                     "undone when the agent's service is stopped or removed", {}});
    else
      out.push_back({"host change", Verdict::Warning,
                     what + ", but is " + printable(*change.present),
                     "somebody else has changed it since, and it stays so when the agent stops",
                     "if it was not meant: systemctl reload tariffd sets it again"});
  }
}

}  // namespace tariff::ctl
