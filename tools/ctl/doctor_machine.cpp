// SPDX-License-Identifier: Apache-2.0
// Findings about CPUs, their mode, memory and our own processes.
#include <algorithm>
#include <cstdio>

#include "tools/ctl/doctor_checks.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

constexpr std::uint64_t kSmallestMemory = 1ULL << 30;  // half of it is the default reserve
constexpr std::uint64_t kFewestFiles = 8'192;  // some per job: pidfd, pipes, result

std::string milliseconds(std::int64_t us) { return std::to_string(us / 1000) + " ms"; }

bool reserved(const Facts& facts) { return facts.mode.known && facts.mode.mode == "reserved"; }

/// What keeps ordinary processes alive on a CPU that SCHED_FIFO jobs use up.
void check_brake(const Facts& facts, Findings& out) {
  const auto& cpu = facts.cpu;
  const bool throttled = cpu.rt_runtime_us.value_or(-1) >= 0;
  const bool fair = cpu.fair_server_exists && cpu.fair_server_us.value_or(1) > 0;
  if (cpu.fair_server_exists)
    out.push_back({"fair server",
                   fair || reserved(facts) ? Verdict::Ok : Verdict::Unfit,
                   !cpu.fair_server_us ? "there; its setting is root's to read"
                   : fair              ? milliseconds(*cpu.fair_server_us) + " a second for "
                                            "ordinary processes"
                                       : "off",
                   fair ? "the brake on SCHED_FIFO from 6.12 on" : "nothing brakes SCHED_FIFO",
                   fair ? "" : "write 50000000 to /sys/kernel/debug/sched/fair_server/*/runtime"});
  if (!cpu.rt_runtime_us || !cpu.rt_period_us) {
    out.push_back({"RT throttling", Verdict::Unknown, "could not be read", {}, {}});
    return;
  }
  const std::string found = throttled ? milliseconds(*cpu.rt_runtime_us) + " of " +
                                            milliseconds(*cpu.rt_period_us) + " for SCHED_FIFO"
                                      : "off";
  if (throttled || cpu.fair_server_exists)
    out.push_back({"RT throttling", Verdict::Ok, found,
                   cpu.fair_server_exists ? "has no effect beside the fair server"
                                          : "the brake on SCHED_FIFO before 6.12",
                   {}});
  else if (reserved(facts))
    out.push_back({"RT throttling", Verdict::Note, found,
                   "jobs may use the class CPUs whole; the system has CPUs of its own", {}});
  else
    out.push_back({"RT throttling", Verdict::Unfit, found,
                   "a looping job of any class stops every ordinary process",
                   "sysctl kernel.sched_rt_runtime_us=950000, or reserve a CPU"});
}

void check_process(Findings& out, const char* topic, const std::optional<ProcessFacts>& process,
                   int wanted_priority, bool fifo, const char* unit) {
  if (!process) {
    out.push_back({topic, Verdict::Warning, "does not run", {},
                   "systemctl start " + std::string(unit)});
    return;
  }
  const std::string found = "pid " + std::to_string(process->pid) + ", " + process->policy +
                            (process->priority > 0 ? " " + std::to_string(process->priority) : "");
  if (fifo && (process->policy != "fifo" || process->priority != wanted_priority))
    out.push_back({topic, Verdict::Warning,
                   found + ", configured is fifo " + std::to_string(wanted_priority),
                   "it may not outrank jobs",
                   "set CPUSchedulingPriority= of its unit as the configuration says"});
  else
    out.push_back({topic, Verdict::Ok, found, {}, {}});
  if (process->oom_score_adj && *process->oom_score_adj > -900)
    out.push_back({std::string(topic) + " and OOM", Verdict::Warning,
                   "oom_score_adj " + std::to_string(*process->oom_score_adj),
                   "the kernel may kill it before jobs", "systemctl revert " + std::string(unit)});
}

}  // namespace

void check_cpus(const Facts& facts, Findings& out) {
  out.push_back({"CPUs", facts.cpu.online >= 2 ? Verdict::Ok : Verdict::Note,
                 std::to_string(facts.cpu.online) + " online",
                 facts.cpu.online >= 2 ? "" : "none can be kept for the system", {}});
  if (facts.config.cpu_enforcement != config::CpuEnforcement::Fifo)
    out.push_back({"enforcement", Verdict::Warning, "not fifo",
                   "classes are not held: this is for comparison only",
                   "cpu_enforcement: fifo in tariffd.yaml"});
  check_brake(facts, out);
  const int classes_end = facts.config.fifo.classes_high;
  const auto low = std::count_if(facts.psimon.begin(), facts.psimon.end(), [&](const auto& one) {
    return one.priority <= classes_end;
  });
  if (!facts.psimon.empty())
    out.push_back({"psimon", low == 0 ? Verdict::Ok : Verdict::Warning,
                   std::to_string(facts.psimon.size()) + " threads, " + std::to_string(low) +
                       " not above the classes",
                   low == 0 ? "" : "pressure events may come late behind jobs", {}});
}

void check_mode(const Facts& facts, Findings& out) {
  const auto& mode = facts.mode;
  if (!mode.known) {
    out.push_back({"CPU mode", Verdict::Unknown, "no agent has written it down", {},
                   facts.agent ? "" : "systemctl start tariffd"});
    return;
  }
  if (reserved(facts))
    out.push_back({"CPU mode", Verdict::Ok,
                   "reserved: system " + printable(mode.system_cpus) + ", classes " +
                       printable(mode.class_cpus),
                   "ordinary processes live on the system CPUs only; a job never runs there", {}});
  else
    out.push_back({"CPU mode", Verdict::Note,
                   printable(mode.mode) + (mode.why.empty() ? "" : ": " + printable(mode.why)),
                   "while jobs use every CPU, ordinary processes (logins, scrapes, tariffctl) "
                   "share what the brake leaves, about 5%, and a launch may wait up to a second "
                   "for them",
                   facts.cpu.online >= 2 ? "reserve a CPU" : ""});
}

void check_memory(const Facts& facts, Findings& out) {
  const auto& memory = facts.memory;
  out.push_back({"RAM", memory.total >= kSmallestMemory ? Verdict::Ok : Verdict::Warning,
                 bytes_text(memory.total),
                 memory.total >= kSmallestMemory ? "" : "little is left for jobs", {}});
  if (memory.swap_total == 0)
    out.push_back({"swap", Verdict::Warning, "none",
                   "nothing can be swapped out: under memory pressure jobs are killed",
                   "add swap of about the size of RAM, on a fast disk or as zram"});
  else
    out.push_back({"swap", memory.swap_total * 2 >= memory.total ? Verdict::Ok : Verdict::Note,
                   bytes_text(memory.swap_total) + " on " +
                       std::to_string(memory.swap_devices.size()) + " devices" +
                       (memory.swap_compressed ? ", some of it zram" : ""),
                   memory.swap_total * 2 >= memory.total ? ""
                                                         : "less than half of RAM; it may run out",
                   {}});
  if (!memory.huge_pages.empty())
    out.push_back({"huge pages", Verdict::Note, memory.huge_pages,
                   memory.huge_pages == "always"
                       ? "a small function may hold 2 MiB where it touched 4 KiB, and pay for it"
                       : "",
                   memory.huge_pages == "always" ? "madvise is the thriftier setting" : ""});
  if (memory.multi_gen_lru)
    out.push_back({"multi-gen LRU", Verdict::Note, *memory.multi_gen_lru != 0 ? "on" : "off",
                   *memory.multi_gen_lru != 0
                       ? "without memory.min the daemons would be paged out under pressure"
                       : "",
                   {}});
  for (const char* unit : {"tariffd.service", "tariff-launcher.service", "tariff-jobs.service"}) {
    const auto minimum = facts.cgroup.memory_min.find(unit);
    const auto slice = facts.cgroup.memory_min.find("tariff.slice");
    if (minimum == facts.cgroup.memory_min.end() || slice == facts.cgroup.memory_min.end())
      continue;
    const bool held = minimum->second > 0 && slice->second >= minimum->second;
    out.push_back({"memory.min of " + std::string(unit), held ? Verdict::Ok : Verdict::Warning,
                   bytes_text(minimum->second) + ", of its slice " + bytes_text(slice->second),
                   held ? "" : "it protects only if every ancestor has it, too",
                   held ? "" : "systemctl revert tariff.slice " + std::string(unit)});
  }
}

void check_daemons(const Facts& facts, Findings& out) {
  if (!facts.config_error.empty())
    out.push_back({"configuration", Verdict::Warning, printable(facts.config_error),
                   "the defaults are taken for these findings", "tariffctl check-config"});
  const auto& fifo = facts.config.fifo;
  check_process(out, "agent", facts.agent, fifo.agent, true, "tariffd");
  check_process(out, "launcher", facts.launcher, fifo.launcher, true, "tariff-launcher");
  check_process(out, "holder", facts.holder, 0, false, "tariff-jobs");
  if (facts.agent && facts.agent->locked_bytes)
    out.push_back({"agent in memory",
                   *facts.agent->locked_bytes > 0 ? Verdict::Ok : Verdict::Warning,
                   bytes_text(*facts.agent->locked_bytes) + " locked",
                   *facts.agent->locked_bytes > 0 ? "" : "it may be paged out under pressure",
                   *facts.agent->locked_bytes > 0 ? "" : "LimitMEMLOCK=infinity in its unit"});
  if (facts.launcher && facts.launcher->open_files)
    out.push_back({"open files", *facts.launcher->open_files >= kFewestFiles ? Verdict::Ok
                                                                             : Verdict::Warning,
                   std::to_string(*facts.launcher->open_files) + " for the launcher",
                   *facts.launcher->open_files >= kFewestFiles ? "" : "jobs need some each",
                   *facts.launcher->open_files >= kFewestFiles ? "" : "LimitNOFILE= in its unit"});
  const auto socket = [&out](const char* topic, const SocketFacts& facts_of, unsigned most,
                             const std::string& path) {
    if (!facts_of.exists) return;
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", facts_of.mode);
    const bool narrow = (facts_of.mode & ~most) == 0 && facts_of.owner == "root";
    out.push_back({topic, narrow ? Verdict::Ok : Verdict::Unfit,
                   path + " " + mode + " " + facts_of.owner + ":" + facts_of.group,
                   narrow ? "" : "others than those meant can place jobs or command the launcher",
                   narrow ? "" : "systemctl restart its .socket unit"});
  };
  socket("agent's socket", facts.agent_socket, 0660, facts.config.sockets.agent);
  socket("launcher's socket", facts.launcher_socket, 0600, facts.config.sockets.launcher);
}

}  // namespace tariff::ctl
