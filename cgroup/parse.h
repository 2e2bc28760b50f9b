// SPDX-License-Identifier: Apache-2.0
// What the kernel writes in control files and /proc, as plain structs. Text in, struct out: nothing
// here opens a file, so the simulator and the tests feed it strings (kernel documentation:
// Documentation/admin-guide/cgroup-v2.rst, Documentation/accounting/psi.rst, proc(5)).
//
//   auto text = read_file_at(leaf.get(), "memory.pressure");
//   auto pressure = cgroup::parse_pressure(*text, "memory.pressure");
//   if (pressure && pressure->some) use(pressure->some->total);
//
// Three kinds of "not there" are kept apart:
//   - a key that this kernel does not have: an empty optional (oom_group_kill came with 6.1);
//   - "max", no limit: an empty optional from parse_limit, never a huge number;
//   - anything that does not look like the file: an Error (InvalidArgument) that names the file,
//     the line and the reason. Keys we do not use are skipped whatever their value is.
// Units: bytes and microseconds. Threading: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tariff::cgroup {

using Microseconds = std::chrono::microseconds;

/// cpu.stat. The time of all tasks that ever ran in the cgroup, SCHED_FIFO included (measured).
struct CpuStat {
  std::optional<Microseconds> usage;
  std::optional<Microseconds> user;
  std::optional<Microseconds> system;
  bool operator==(const CpuStat&) const = default;
};
Result<CpuStat> parse_cpu_stat(std::string_view text);

/// One line of a *.pressure file. Averages are percent of wall time (0..100), from the kernel's
/// 2 s timer; `total` is exact and is what decisions should use.
struct PressureLine {
  double avg10 = 0;
  double avg60 = 0;
  double avg300 = 0;
  Microseconds total{0};
  bool operator==(const PressureLine&) const = default;
};

/// cpu.pressure, memory.pressure, io.pressure or /proc/pressure/*. The system's cpu file has had a
/// "full" line only since 5.13.
struct Pressure {
  std::optional<PressureLine> some;  ///< at least one task stalled
  std::optional<PressureLine> full;  ///< all tasks stalled
  bool operator==(const Pressure&) const = default;
};
Result<Pressure> parse_pressure(std::string_view text, std::string_view file = "pressure");

/// memory.events or memory.events.local: how often each happened.
struct MemoryEvents {
  std::optional<std::uint64_t> low;
  std::optional<std::uint64_t> high;
  std::optional<std::uint64_t> max;             ///< usage was about to go over memory.max
  std::optional<std::uint64_t> oom;             ///< an allocation was about to fail
  std::optional<std::uint64_t> oom_kill;        ///< processes killed by the OOM killer
  std::optional<std::uint64_t> oom_group_kill;  ///< whole groups killed (memory.oom.group=1)
  bool operator==(const MemoryEvents&) const = default;
};
Result<MemoryEvents> parse_memory_events(std::string_view text);

/// cgroup.events.
struct CgroupEvents {
  std::optional<bool> populated;  ///< has live processes, here or below
  std::optional<bool> frozen;     ///< every task below really stopped
  bool operator==(const CgroupEvents&) const = default;
};
Result<CgroupEvents> parse_cgroup_events(std::string_view text);

/// memory.stat, the rows we use. Amounts in bytes, pg* are counts of events.
struct MemoryStat {
  std::optional<std::uint64_t> anon;
  std::optional<std::uint64_t> file;
  std::optional<std::uint64_t> kernel;
  std::optional<std::uint64_t> shmem;
  std::optional<std::uint64_t> file_mapped;
  std::optional<std::uint64_t> file_dirty;
  std::optional<std::uint64_t> swapcached;
  std::optional<std::uint64_t> inactive_anon;
  std::optional<std::uint64_t> active_anon;
  std::optional<std::uint64_t> inactive_file;
  std::optional<std::uint64_t> active_file;
  std::optional<std::uint64_t> unevictable;
  std::optional<std::uint64_t> pgfault;
  std::optional<std::uint64_t> pgmajfault;
  std::optional<std::uint64_t> workingset_refault_anon;
  std::optional<std::uint64_t> workingset_refault_file;
  bool operator==(const MemoryStat&) const = default;
};
Result<MemoryStat> parse_memory_stat(std::string_view text);

/// A file with a single number: memory.current, memory.swap.current, pids.current, memory.peak.
Result<std::uint64_t> parse_number(std::string_view text, std::string_view file);

/// A file with a single number or "max": memory.max, memory.swap.max, pids.max. Empty = no limit.
Result<std::optional<std::uint64_t>> parse_limit(std::string_view text, std::string_view file);

/// cgroup.procs or cgroup.threads: one id per line. A 0 means a process outside our PID namespace.
Result<std::vector<int>> parse_ids(std::string_view text, std::string_view file = "cgroup.procs");

/// cgroup.controllers or cgroup.subtree_control: names separated by blanks; may be empty.
std::vector<std::string> parse_controllers(std::string_view text);

/// /proc/meminfo, in bytes (the file counts in kibibytes and calls them kB).
struct MemInfo {
  std::optional<std::uint64_t> total;
  std::optional<std::uint64_t> free;
  std::optional<std::uint64_t> available;  ///< what can be had without swapping
  std::optional<std::uint64_t> swap_total;
  std::optional<std::uint64_t> swap_free;
  bool operator==(const MemInfo&) const = default;
};
Result<MemInfo> parse_meminfo(std::string_view text);

/// /proc/PID/stat or /proc/PID/task/TID/stat, the fields we use. `command` may hold anything,
/// blanks and parentheses included, since a process names itself.
struct ProcessStat {
  int pid = 0;
  std::string command;
  char state = '?';                ///< R running, S sleeping, D disk, T stopped, Z zombie, ...
  int parent = 0;
  std::uint64_t user_ticks = 0;    ///< in 1/sysconf(_SC_CLK_TCK) s
  std::uint64_t system_ticks = 0;
  std::uint64_t start_ticks = 0;   ///< since boot; with pid, names a process for ever
  int rt_priority = 0;             ///< 0, or the SCHED_FIFO / SCHED_RR priority 1..99
  int policy = 0;                  ///< SCHED_OTHER 0, SCHED_FIFO 1, ...
  std::uint32_t flags = 0;         ///< PF_* of the kernel's include/linux/sched.h
  bool operator==(const ProcessStat&) const = default;
};
Result<ProcessStat> parse_process_stat(std::string_view text);

/// /proc/PID/cgroup: the path of the cgroup v2 ("0::/a/b" gives "/a/b"). NotFound if there is only
/// v1. The kernel appends " (deleted)" to a removed one; it is kept.
Result<std::string> parse_process_cgroup(std::string_view text);

}  // namespace tariff::cgroup
