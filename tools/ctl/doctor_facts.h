// SPDX-License-Identifier: Apache-2.0
// What `tariffctl doctor` knows of this machine, as plain data: read_facts() reads it,
// doctor_checks.h judges it. An empty optional is "could not be read" (no permission, or the kernel
// has no such file); tests make facts by hand.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"

namespace tariff::ctl {

struct KernelFacts {
  int major = 0;
  int minor = 0;
  std::string release;
  std::optional<int> systemd_version;
  std::optional<bool> rt_group_sched;    ///< CONFIG_RT_GROUP_SCHED, from /boot/config-*
  std::optional<bool> pidfd;             ///< pidfd_open(2) works
  std::string clocksource;
  std::optional<bool> clock_synchronised;
  std::optional<std::int64_t> pid_max;
  std::optional<std::int64_t> threads_max;
};

struct CpuFacts {
  int online = 0;
  std::optional<std::int64_t> rt_runtime_us;   ///< -1: not throttled
  std::optional<std::int64_t> rt_period_us;
  bool fair_server_exists = false;
  std::optional<std::int64_t> fair_server_us;  ///< smallest runtime of all CPUs
};

struct CgroupFacts {
  bool unified = false;                         ///< cgroup v2 at /sys/fs/cgroup
  std::vector<std::string> root_controllers;
  std::optional<std::vector<std::string>> tree_controllers;  ///< of the job tree; empty: no tree
  bool reclaim = false;    ///< memory.reclaim
  bool kill = false;       ///< cgroup.kill
  bool freeze = false;     ///< cgroup.freeze
  bool peak = false;       ///< memory.peak
  bool pressure = false;   ///< *.pressure in cgroups and /proc/pressure
  std::map<std::string, std::uint64_t> memory_min;  ///< by unit, also tariff.slice
};

struct MemoryFacts {
  std::uint64_t total = 0;
  std::uint64_t swap_total = 0;
  std::vector<std::string> swap_devices;
  bool swap_compressed = false;           ///< a zram device is among them
  std::string huge_pages;                 ///< "always", "madvise", "never"; empty: not there
  std::optional<unsigned> multi_gen_lru;  ///< lru_gen/enabled; not there before 6.1
  std::optional<std::int64_t> swappiness;
  std::optional<std::int64_t> page_cluster;
};

/// One of our processes, or a kernel thread that we need.
struct ProcessFacts {
  int pid = 0;
  std::string policy;  ///< "fifo", "other", ...
  int priority = 0;
  std::optional<int> oom_score_adj;
  std::optional<std::uint64_t> locked_bytes;
  std::optional<std::uint64_t> open_files;  ///< soft limit
};

struct SocketFacts {
  bool exists = false;
  unsigned mode = 0;
  std::string owner;
  std::string group;
};

struct AccountFacts {
  std::vector<std::string> users_in_range;      ///< of /etc/passwd
  std::vector<std::string> subordinate_ranges;  ///< of /etc/subuid that overlap
  bool group_exists = false;                    ///< group tariff
};

/// One host-global setting that the agent changed.
struct HostChange {
  std::string what;
  std::string target;
  std::string before;
  std::string now;                     ///< what the agent made it
  std::optional<std::string> present;  ///< what it is; empty: gone, or not readable
};

struct ModeFacts {
  bool known = false;  ///< /run/tariff/host-changes.json was there and readable
  std::string mode;    ///< "reserved" or "shared"
  std::string why;
  std::string system_cpus;
  std::string class_cpus;
  std::vector<HostChange> changes;
};

struct Facts {
  bool root = false;  ///< whether all could be read
  config::NodeConfig config;
  std::string config_error;  ///< why the configuration could not be read; defaults are above then
  KernelFacts kernel;
  CpuFacts cpu;
  CgroupFacts cgroup;
  MemoryFacts memory;
  std::optional<ProcessFacts> agent;
  std::optional<ProcessFacts> launcher;
  std::optional<ProcessFacts> holder;
  std::vector<ProcessFacts> psimon;
  SocketFacts agent_socket;
  SocketFacts launcher_socket;
  AccountFacts accounts;
  ModeFacts mode;
};

/// Reads all of it; what cannot be read stays empty.
Facts read_facts(const std::string& config_path);

}  // namespace tariff::ctl
