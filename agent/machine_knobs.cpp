// SPDX-License-Identifier: Apache-2.0
#include "agent/machine_knobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "base/fd.h"
#include "cgroup/parse.h"
#include "cgroup/possible_cpus.h"

namespace tariff::agent {
namespace {

constexpr const char* kCgroups = "/sys/fs/cgroup";
constexpr const char* kWorkqueues = "/sys/devices/virtual/workqueue";
constexpr const char* kIrqs = "/proc/irq";
constexpr const char* kFairServer = "/sys/kernel/debug/sched/fair_server";
constexpr const char* kThrottle = "/proc/sys/kernel/sched_rt_runtime_us";
constexpr int kKthreadd = 2;                            // the parent of every kernel thread
constexpr std::uint32_t kNoSetAffinity = 0x0400'0000;   // PF_NO_SETAFFINITY, linux/sched.h
constexpr const char* kAllowed = " AllowedCPUs";

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error))
    names.push_back(at->path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<std::string> read_line(const std::string& path) {
  auto text = read_file_at(AT_FDCWD, path);
  if (text)
    while (text->ends_with('\n')) text->pop_back();
  return text;
}

std::string file_of(const Knob& knob) {
  if (knob.what == "workqueue") return std::string(kWorkqueues) + "/" + knob.target;
  if (knob.target == "default") return std::string(kIrqs) + "/default_smp_affinity";
  return std::string(kIrqs) + "/" + knob.target + "/smp_affinity_list";
}

Error gone(const Knob& knob) {
  return Error{ErrorKind::NotFound, knob.what + " " + knob.target + " is not there any more", {}};
}

/// Affinity masks have no fixed size: the kernel refuses one smaller than its own.
struct Affinity {
  explicit Affinity(int cpus) : size(CPU_ALLOC_SIZE(cpus)), set(CPU_ALLOC(cpus)) {
    CPU_ZERO_S(size, set);
  }
  Affinity(const Affinity&) = delete;
  Affinity& operator=(const Affinity&) = delete;
  ~Affinity() { CPU_FREE(set); }
  std::size_t size;
  cpu_set_t* set;
};

Result<std::string> read_affinity(int pid) {
  Affinity affinity(cgroup::kMostCpus);
  if (::sched_getaffinity(pid, affinity.size, affinity.set) < 0)
    return errno_error("cannot read the affinity of thread " + std::to_string(pid), errno);
  cgroup::CpuSet cpus;
  for (int cpu = 0; cpu < cgroup::kMostCpus; ++cpu)
    if (CPU_ISSET_S(static_cast<std::size_t>(cpu), affinity.size, affinity.set)) cpus.insert(cpu);
  return cgroup::cpu_list(cpus);
}

Status write_affinity(int pid, const std::string& list) {
  const auto cpus = cgroup::parse_cpu_list(list);
  if (!cpus) return cpus.error();
  Affinity affinity(cgroup::kMostCpus);
  for (const int cpu : *cpus) CPU_SET_S(static_cast<std::size_t>(cpu), affinity.size, affinity.set);
  if (::sched_setaffinity(pid, affinity.size, affinity.set) < 0)
    return errno_error("cannot move thread " + std::to_string(pid), errno);
  return ok();
}

std::optional<cgroup::ProcessStat> stat_of(int pid) {
  const auto text = read_file_at(AT_FDCWD, "/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  auto stat = cgroup::parse_process_stat(*text);
  if (!stat) return std::nullopt;
  return std::move(*stat);
}

bool movable(const cgroup::ProcessStat& stat) {
  return stat.parent == kKthreadd && (stat.flags & kNoSetAffinity) == 0 &&
         !stat.command.starts_with("irq/");
}

/// The pid in a kthread's target, if it still is that thread.
std::optional<int> thread_of(const Knob& knob) {
  const auto blank = knob.target.find(' ');
  const auto pid = number(std::string_view(knob.target).substr(0, blank));
  if (!pid || blank == std::string::npos) return std::nullopt;
  const auto stat = stat_of(*pid);
  if (!stat || stat->parent != kKthreadd || stat->command != knob.target.substr(blank + 1))
    return std::nullopt;
  return pid;
}

void add_if_readable(HostKnobs& knobs, Knob knob, std::vector<HostKnobs::Reading>& out) {
  if (auto value = knobs.read(knob)) out.push_back({std::move(knob), std::move(*value)});
}

}  // namespace

void MachineKnobs::list_units(std::vector<Reading>& out, std::vector<std::string>& complaints) {
  // The four that systemd ships are confined even before their first process.
  std::set<std::string> units = {"init.scope", "machine.slice", "system.slice", "user.slice"};
  for (auto& name : names_in(kCgroups))
    if (is_host_unit(name)) units.insert(std::move(name));
  for (const auto& name : own_services())
    if (std::filesystem::exists(std::string(kCgroups) + "/tariff.slice/" + name))
      units.insert(name);
  for (const auto& name : units) {
    Knob knob{"unit-property", name + kAllowed};
    auto value = read(knob);
    if (value) {
      out.push_back({std::move(knob), std::move(*value)});
    } else {
      complaints.push_back(value.error().text());
      if (value.error().kind == ErrorKind::DeadlineExceeded) return;  // so would the others be
    }
  }
}

std::vector<HostKnobs::Reading> MachineKnobs::list(std::vector<std::string>& complaints) {
  std::vector<Reading> out;
  list_units(out, complaints);
  add_if_readable(*this, {"workqueue", "cpumask"}, out);
  for (const auto& name : names_in(kWorkqueues))
    if (::access((std::string(kWorkqueues) + "/" + name + "/cpumask").c_str(), W_OK) == 0)
      add_if_readable(*this, {"workqueue", name + "/cpumask"}, out);
  add_if_readable(*this, {"irq", "default"}, out);
  for (const auto& name : names_in(kIrqs))
    if (number(name)) add_if_readable(*this, {"irq", name}, out);
  for (const auto& name : names_in("/proc"))
    if (const auto pid = number(name))
      if (const auto stat = stat_of(*pid); stat && movable(*stat))
        add_if_readable(*this, {"kthread", name + " " + stat->command}, out);
  return out;
}

Result<std::string> MachineKnobs::read(const Knob& knob) {
  if (knob.what == "workqueue" || knob.what == "irq") return read_line(file_of(knob));
  if (knob.what == "kthread") {
    const auto pid = thread_of(knob);
    return pid ? read_affinity(*pid) : gone(knob);
  }
  if (knob.what != "unit-property" || !knob.target.ends_with(kAllowed)) return gone(knob);
  const auto unit = knob.target.substr(0, knob.target.find(' '));
  auto bitmap = systemd_.call([&](systemd::Units& units) { return units.allowed_cpus(unit); });
  if (!bitmap) return std::move(bitmap).error();
  return cgroup::cpu_list(cgroup::cpus_of_bitmap(*bitmap));
}

Status MachineKnobs::write(const Knob& knob, const std::string& value) {
  if (knob.what == "workqueue" || knob.what == "irq")
    return write_file_at(AT_FDCWD, file_of(knob), value);
  if (knob.what == "kthread") {
    const auto pid = thread_of(knob);
    return pid ? write_affinity(*pid, value) : Status(gone(knob));
  }
  const auto cpus = cgroup::parse_cpu_list(value);
  if (!cpus) return cpus.error();
  const auto unit = knob.target.substr(0, knob.target.find(' '));
  const auto set = [&](const cgroup::CpuSet& allowed) {
    return systemd_.call([&](systemd::Units& units) {
      return units.set_allowed_cpus(unit, cgroup::cpu_bitmap(allowed));
    });
  };
  // Else systemd would say that the unit has no AllowedCPUs while the kernel keeps the old ones.
  if (cpus->empty())
    if (const auto every = cgroup::possible_cpus(); !every.empty())
      if (auto widened = set(every); !widened) return widened;
  return set(*cpus);
}

CpuSnapshot read_cpus(const std::string& tree) {
  CpuSnapshot snapshot;
  if (auto text = read_file_at(AT_FDCWD, "/sys/devices/system/cpu/online"))
    if (auto cpus = cgroup::parse_cpu_list(*text)) snapshot.online = std::move(*cpus);
  if (auto text = read_file_at(AT_FDCWD, std::string(kCgroups) + "/cpuset.cpus.effective"))
    if (auto cpus = cgroup::parse_cpu_list(*text)) snapshot.usable = std::move(*cpus);
  if (auto text = read_file_at(AT_FDCWD, tree + "/cgroup.controllers")) {
    const auto there = cgroup::parse_controllers(*text);
    snapshot.has_cpuset = std::find(there.begin(), there.end(), "cpuset") != there.end();
  }
  return snapshot;
}

std::vector<std::string> starvation_warnings() {
  std::vector<std::string> out;
  const auto servers = names_in(kFairServer);
  if (servers.empty()) {
    // Kernels with a fair server keep this file, but it has no effect there (measured on 6.12).
    if (const auto runtime = read_line(kThrottle); runtime && *runtime == "-1")
      out.push_back(
          "RT throttling is switched off (kernel.sched_rt_runtime_us = -1): jobs can stop the "
          "machine for as long as they run; sysctl kernel.sched_rt_runtime_us=950000");
  }
  for (const auto& cpu : servers)
    if (const auto runtime = read_line(std::string(kFairServer) + "/" + cpu + "/runtime");
        runtime && *runtime == "0")
      out.push_back("the fair server of " + cpu + " is switched off (" + kFairServer + "/" + cpu +
                    "/runtime = 0): jobs can stop the machine for as long as they run");
  return out;
}

}  // namespace tariff::agent
