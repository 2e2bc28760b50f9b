// SPDX-License-Identifier: Apache-2.0
// A set of CPUs, and the three ways in which the kernel and systemd write one:
//   list    "0,2-3"       cpuset.cpus, /sys/devices/system/cpu/online, smp_affinity_list
//   mask    "f,00000001"  workqueue/cpumask, irq/default_smp_affinity: hexadecimal words of 32
//                         CPUs, highest first (kernel: Documentation/core-api/irq)
//   bitmap  {0x0d}        the property AllowedCPUs on D-Bus: bytes, lowest first; empty = not set
// Threading: plain values. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tariff::cgroup {

using CpuSet = std::set<int>;

/// More than any kernel is built for (CONFIG_NR_CPUS at most 8192); keeps "0-4000000000" small.
constexpr int kMostCpus = 16'384;

/// Blanks and a newline around it are allowed; an empty text is the empty set.
Result<CpuSet> parse_cpu_list(std::string_view text, std::string_view file = "cpu list");
std::string cpu_list(const CpuSet& cpus);

Result<CpuSet> parse_cpu_mask(std::string_view text, std::string_view file = "cpu mask");
/// As the kernel reads it; without leading words of zero.
std::string cpu_mask(const CpuSet& cpus);

CpuSet cpus_of_bitmap(const std::vector<std::uint8_t>& bitmap);
std::vector<std::uint8_t> cpu_bitmap(const CpuSet& cpus);

CpuSet common(const CpuSet& a, const CpuSet& b);
CpuSet without(const CpuSet& a, const CpuSet& b);

}  // namespace tariff::cgroup
