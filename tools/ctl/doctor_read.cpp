// SPDX-License-Identifier: Apache-2.0
// Reads the facts about memory, CPUs, cgroups, processes and accounts from /proc, /sys and /run.
// Nothing is judged here, and nothing changed.
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "base/fd.h"
#include "config/load.h"
#include "tools/ctl/doctor_sources.h"

namespace tariff::ctl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCgroups = "/sys/fs/cgroup";
constexpr const char* kSlice = "/sys/fs/cgroup/tariff.slice";
constexpr long kCgroup2Magic = 0x63677270;  // linux/magic.h

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> out;
  for (std::string word; stream >> word;) out.push_back(word);
  return out;
}

/// "Name:   123 kB" of a /proc file, times `unit`.
std::optional<std::uint64_t> labelled(const std::string& text, const std::string& name,
                                      std::uint64_t unit) {
  const auto at = text.find("\n" + name);
  const auto begin = at == std::string::npos ? (text.starts_with(name) ? 0 : at) : at + 1;
  if (begin == std::string::npos) return std::nullopt;
  const auto value = text.find_first_of("0123456789", begin + name.size());
  std::uint64_t number = 0;
  if (value == std::string::npos ||
      std::from_chars(text.data() + value, text.data() + text.size(), number).ec != std::errc())
    return std::nullopt;
  return number * unit;
}

CpuFacts read_cpus() {
  CpuFacts cpu;
  cpu.online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu.rt_runtime_us = number_of("/proc/sys/kernel/sched_rt_runtime_us");
  cpu.rt_period_us = number_of("/proc/sys/kernel/sched_rt_period_us");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/sys/kernel/debug/sched/fair_server", error)) {
    cpu.fair_server_exists = true;
    if (const auto ns = number_of(entry.path() / "runtime"))
      cpu.fair_server_us = std::min(cpu.fair_server_us.value_or(*ns / 1000), *ns / 1000);
  }
  return cpu;
}

CgroupFacts read_cgroups() {
  CgroupFacts out;
  struct statfs where{};
  out.unified = ::statfs(kCgroups, &where) == 0 && where.f_type == kCgroup2Magic;
  if (!out.unified) return out;
  if (const auto text = text_of_file(std::string(kCgroups) + "/cgroup.controllers"))
    out.root_controllers = words(*text);
  const std::string tree = std::string(kSlice) + "/tariff-jobs.service";
  if (const auto text = text_of_file(tree + "/cgroup.controllers"))
    out.tree_controllers = words(*text);
  // Any cgroup but the root has the files; init's is always there.
  const std::string any = exists(tree) ? tree : std::string(kCgroups) + "/init.scope";
  out.reclaim = exists(any + "/memory.reclaim");
  out.kill = exists(any + "/cgroup.kill");
  out.freeze = exists(any + "/cgroup.freeze");
  out.peak = exists(any + "/memory.peak");
  out.pressure = exists(any + "/memory.pressure") && text_of_file("/proc/pressure/memory");
  const auto minimum = [&out](const std::string& name, const std::string& path) {
    if (const auto value = number_of(path + "/memory.min"))
      out.memory_min[name] = static_cast<std::uint64_t>(*value);
  };
  minimum("tariff.slice", kSlice);
  for (const char* unit : {"tariffd.service", "tariff-launcher.service", "tariff-jobs.service"})
    minimum(unit, std::string(kSlice) + "/" + unit);
  return out;
}

/// The word in brackets of "always [madvise] never".
std::string chosen(const std::string& text) {
  const auto begin = text.find('[');
  const auto end = text.find(']', begin);
  return begin == std::string::npos || end == std::string::npos
             ? std::string() : text.substr(begin + 1, end - begin - 1);
}

MemoryFacts read_memory() {
  MemoryFacts memory;
  const auto info = text_of_file("/proc/meminfo").value_or("");
  memory.total = labelled(info, "MemTotal:", 1024).value_or(0);
  memory.swap_total = labelled(info, "SwapTotal:", 1024).value_or(0);
  std::istringstream swaps(text_of_file("/proc/swaps").value_or(""));
  std::string line;
  std::getline(swaps, line);  // the header
  while (std::getline(swaps, line)) {
    memory.swap_devices.push_back(line.substr(0, line.find_first_of(" \t")));
    if (line.starts_with("/dev/zram")) memory.swap_compressed = true;
  }
  memory.huge_pages =
      chosen(text_of_file("/sys/kernel/mm/transparent_hugepage/enabled").value_or(""));
  if (const auto text = text_of_file("/sys/kernel/mm/lru_gen/enabled"))
    memory.multi_gen_lru = static_cast<unsigned>(std::strtoul(text->c_str(), nullptr, 16));
  memory.swappiness = number_of("/proc/sys/vm/swappiness");
  memory.page_cluster = number_of("/proc/sys/vm/page-cluster");
  return memory;
}

ProcessFacts process(int pid) {
  ProcessFacts out;
  out.pid = pid;
  const int policy = ::sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK;
  out.policy = policy == SCHED_FIFO ? "fifo" : policy == SCHED_RR ? "rr" : "other";
  sched_param parameters{};
  if (::sched_getparam(pid, &parameters) == 0) out.priority = parameters.sched_priority;
  const std::string base = "/proc/" + std::to_string(pid);
  if (const auto score = number_of(base + "/oom_score_adj"))
    out.oom_score_adj = static_cast<int>(*score);
  const auto status = text_of_file(base + "/status").value_or("");
  out.locked_bytes = labelled(status, "VmLck:", 1024);
  out.open_files = labelled(text_of_file(base + "/limits").value_or(""), "Max open files", 1);
  return out;
}

/// The first process of a cgroup; a service's main process has the lowest pid there.
std::optional<ProcessFacts> first_process(const std::string& directory) {
  const auto procs = text_of_file(directory + "/cgroup.procs");
  if (!procs || procs->empty()) return std::nullopt;
  int lowest = 0;
  for (const auto& word : words(*procs)) {
    const int pid = std::atoi(word.c_str());
    if (lowest == 0 || pid < lowest) lowest = pid;
  }
  return process(lowest);
}

std::vector<ProcessFacts> read_psimon() {
  std::vector<ProcessFacts> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.empty() || name[0] < '1' || name[0] > '9') continue;
    if (text_of_file(entry.path() / "comm").value_or("") == "psimon\n")
      out.push_back(process(std::atoi(name.c_str())));
  }
  return out;
}

SocketFacts read_socket(const std::string& path) {
  SocketFacts out;
  struct stat info{};
  out.exists = ::stat(path.c_str(), &info) == 0;
  if (!out.exists) return out;
  out.mode = info.st_mode & 07777;
  const passwd* owner = ::getpwuid(info.st_uid);
  const group* owners = ::getgrgid(info.st_gid);
  out.owner = owner != nullptr ? owner->pw_name : std::to_string(info.st_uid);
  out.group = owners != nullptr ? owners->gr_name : std::to_string(info.st_gid);
  return out;
}

AccountFacts read_accounts(const config::UidRange& uids) {
  AccountFacts out;
  out.group_exists = ::getgrnam("tariff") != nullptr;
  const std::uint64_t first = uids.first;
  const std::uint64_t end = first + uids.count;
  const auto each_line = [](const char* path, auto take) {
    std::istringstream file(text_of_file(path).value_or(""));
    for (std::string line; std::getline(file, line);) {
      std::vector<std::string> fields(1);
      for (const char c : line)
        if (c == ':') fields.emplace_back();
        else fields.back() += c;
      if (fields.size() >= 3) take(fields);
    }
  };
  each_line("/etc/passwd", [&](const std::vector<std::string>& user) {
    const auto uid = std::strtoull(user[2].c_str(), nullptr, 10);
    if (uid >= first && uid < end) out.users_in_range.push_back(user[0]);
  });
  each_line("/etc/subuid", [&](const std::vector<std::string>& range) {
    const auto begin = std::strtoull(range[1].c_str(), nullptr, 10);
    const auto count = std::strtoull(range[2].c_str(), nullptr, 10);
    if (begin < end && begin + count > first) out.subordinate_ranges.push_back(range[0]);
  });
  return out;
}

}  // namespace

std::optional<std::string> text_of_file(const std::string& path) {
  auto text = read_file_at(AT_FDCWD, path);
  if (!text) return std::nullopt;
  return std::move(*text);
}

std::optional<std::int64_t> number_of(const std::string& path) {
  const auto text = text_of_file(path);
  std::int64_t number = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc())
    return std::nullopt;
  return number;
}

Facts read_facts(const std::string& config_path) {
  Facts facts;
  facts.root = ::geteuid() == 0;
  auto loaded = config::load_node_config(config_path);
  if (!loaded.value) {
    facts.config_error = "cannot be read or has errors: " + config_path;
    loaded = config::parse_node_config("{}", "defaults");
  }
  facts.config = std::move(*loaded.value);
  facts.kernel = read_kernel();
  facts.cpu = read_cpus();
  facts.cgroup = read_cgroups();
  facts.memory = read_memory();
  facts.agent = first_process(std::string(kSlice) + "/tariffd.service");
  facts.launcher = first_process(std::string(kSlice) + "/tariff-launcher.service");
  facts.holder = first_process(std::string(kSlice) + "/tariff-jobs.service/holder");
  facts.psimon = read_psimon();
  facts.agent_socket = read_socket(facts.config.sockets.agent);
  facts.launcher_socket = read_socket(facts.config.sockets.launcher);
  facts.accounts = read_accounts(facts.config.uids);
  facts.mode = read_mode();
  return facts;
}

}  // namespace tariff::ctl
