// SPDX-License-Identifier: Apache-2.0
// Which CPUs are the jobs' and which are everybody else's. Pure: a function of the configuration
// and of what the kernel says, computed again whenever a CPU comes or goes.
//
//   Reserved   the lowest `reserved` CPUs are the system's, the others the classes'. FIFO jobs
//              then starve neither daemons nor the holders of kernel locks that the agent needs.
//   Shared     everybody has every CPU; what the kernel leaves to ordinary ones (RT throttling,
//              fair server: both 5 %) keeps the machine alive.
//
// Why the lowest: the boot CPU usually cannot be unplugged, and the kernel itself falls back to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cgroup/cpu_set.h"
#include "config/schema.h"

namespace tariff::agent {

struct CpuSnapshot {
  cgroup::CpuSet online;   ///< /sys/devices/system/cpu/online
  cgroup::CpuSet usable;   ///< cpuset.cpus.effective of the root; empty: not known, so all
  bool has_cpuset = true;  ///< the cpuset controller is there for the job tree

  bool operator==(const CpuSnapshot&) const = default;
};

struct CpuPlan {
  bool reserved = false;
  cgroup::CpuSet system;   ///< of the host's slices and our daemons; all when shared
  cgroup::CpuSet classes;  ///< of the jobs; all when shared
  std::string why;         ///< one sentence for people
  std::string warning;     ///< not empty: the operator asked for something else

  bool operator==(const CpuPlan&) const = default;
};

CpuPlan plan_cpus(const config::Cpus& wanted, const CpuSnapshot& snapshot);

/// Whether a cgroup directly below the root is kept on the system's CPUs: every unit of systemd's
/// but tariff.slice, which holds the jobs.
bool is_host_unit(std::string_view name);

/// "reserved", "shared".
const char* mode_word(const CpuPlan& plan);

/// Our own services that are kept on the system's CPUs. Not tariff-jobs.service: the job tree is in
/// it.
const std::vector<std::string>& own_services();

}  // namespace tariff::agent
