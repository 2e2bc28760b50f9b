// SPDX-License-Identifier: Apache-2.0
// Findings about the kernel, cgroups and accounts; the frame of all checks.
#include "tools/ctl/doctor_checks.h"

#include <algorithm>

#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

/// A fact that is either as needed or not: one line of a table.
void judge(Findings& out, const char* topic, std::optional<bool> good, std::string found,
           Verdict otherwise, const char* means, const char* todo) {
  if (!good)
    out.push_back({topic, Verdict::Unknown, "could not be read", {}, "run it as root"});
  else if (*good)
    out.push_back({topic, Verdict::Ok, std::move(found), {}, {}});
  else
    out.push_back({topic, otherwise, std::move(found), means, todo});
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out.empty() ? "none" : out;
}

bool at_least(const KernelFacts& kernel, int major, int minor) {
  return kernel.major > major || (kernel.major == major && kernel.minor >= minor);
}

}  // namespace

void check_kernel(const Facts& facts, Findings& out) {
  const auto& kernel = facts.kernel;
  judge(out, "kernel", at_least(kernel, 6, 1), "Linux " + kernel.release, Verdict::Unfit,
        "jobs are started with clone3 into a cgroup and their memory is measured by files that "
        "6.1 brought",
        "run Linux 6.1 or later");
  judge(out, "pidfd", kernel.pidfd, "pidfd_open works", Verdict::Unfit,
        "the ends of jobs cannot be watched", "allow pidfd_open(2)");
  if (kernel.systemd_version)
    judge(out, "systemd", *kernel.systemd_version >= 252,
          "version " + std::to_string(*kernel.systemd_version), Verdict::Unfit,
          "units need version 252", "upgrade systemd");
  else
    out.push_back({"systemd", Verdict::Unfit, "does not answer",
                   "it keeps the daemons and the job tree", "boot with systemd as PID 1"});
  if (!kernel.rt_group_sched)
    out.push_back({"RT_GROUP_SCHED", Verdict::Unknown, "the kernel's configuration is not readable",
                   "with it no job could become SCHED_FIFO", "look into /boot/config-*"});
  else
    judge(out, "RT_GROUP_SCHED", !*kernel.rt_group_sched,
          *kernel.rt_group_sched ? "on" : "off, as it must be", Verdict::Unfit,
          "a cgroup without an RT budget of its own can have no SCHED_FIFO task",
          "boot with rt_group_sched=0 (6.15 or later) or a kernel without CONFIG_RT_GROUP_SCHED");
  const bool hpet = kernel.clocksource == "hpet" || kernel.clocksource == "acpi_pm" ||
                    kernel.clocksource == "jiffies";
  judge(out, "clock source", kernel.clocksource.empty() ? std::nullopt : std::optional(!hpet),
        kernel.clocksource, Verdict::Warning, "each look at the clock costs microseconds",
        "find out in dmesg why the kernel gave up the tsc");
  if (kernel.clock_synchronised && !*kernel.clock_synchronised)
    out.push_back({"time of day", Verdict::Note, "not synchronised",
                   "durations and bills use the monotonic clock; only the instants in records are "
                   "off",
                   "run systemd-timesyncd or chrony"});
  if (kernel.pid_max) {
    const auto needed = std::int64_t{8} * facts.config.limits.max_jobs;
    judge(out, "pid_max", *kernel.pid_max >= needed, std::to_string(*kernel.pid_max),
          Verdict::Warning, "limits.max_jobs jobs with a few threads each may find no pid",
          "raise kernel.pid_max, or lower limits.max_jobs");
  }
}

void check_cgroups(const Facts& facts, Findings& out) {
  const auto& cgroup = facts.cgroup;
  judge(out, "cgroup v2", cgroup.unified, cgroup.unified ? "mounted" : "not the unified hierarchy",
        Verdict::Unfit, "jobs cannot be kept apart",
        "boot without systemd.unified_cgroup_hierarchy=0");
  if (!cgroup.unified) return;
  for (const char* name : {"cpu", "memory", "pids", "cpuset", "io"}) {
    const auto has = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    const bool needed = std::string_view(name) == "memory" || std::string_view(name) == "pids" ||
                        std::string_view(name) == "cpu";
    const std::string topic = "controller " + std::string(name);
    if (!has(cgroup.root_controllers))
      out.push_back({topic, needed ? Verdict::Unfit : Verdict::Warning, "the kernel has it not",
                     needed ? "limits and bills need it"
                            : "CPUs cannot be reserved, or disk pressure not be seen",
                     "look for cgroup_disable= on the kernel's command line"});
    else if (!cgroup.tree_controllers)
      out.push_back({topic, Verdict::Note, "there; the job tree is not, so no more is known", {},
                     "systemctl start tariff-jobs"});
    else if (!has(*cgroup.tree_controllers))
      out.push_back({topic, needed ? Verdict::Unfit : Verdict::Note,
                     "not handed down to the job tree", "limits of this kind do not hold for jobs",
                     needed ? "systemctl cat tariff-jobs: it needs Delegate=yes" : ""});
    else
      out.push_back({topic, Verdict::Ok, "down to the job tree", {}, {}});
  }
  judge(out, "cgroup.freeze", cgroup.freeze, "there", Verdict::Unfit, "jobs cannot be frozen",
        "run Linux 6.1 or later");
  judge(out, "cgroup.kill", cgroup.kill, cgroup.kill ? "there" : "missing", Verdict::Warning,
        "ending a job that forks takes longer", "run Linux 6.1 or later");
  judge(out, "memory.reclaim", cgroup.reclaim, cgroup.reclaim ? "there" : "missing",
        Verdict::Warning, "jobs cannot be swapped out", "run Linux 6.1 or later");
  judge(out, "memory.peak", cgroup.peak, cgroup.peak ? "there" : "missing", Verdict::Note,
        "records say nothing of the most memory a job had", "");
  judge(out, "pressure (PSI)", cgroup.pressure, cgroup.pressure ? "on" : "off", Verdict::Warning,
        "slowdown, pressure and, later, swapping are blind", "boot with psi=1");
}

void check_accounts(const Facts& facts, Findings& out) {
  const auto& accounts = facts.accounts;
  const auto& uids = facts.config.uids;
  const std::string range = std::to_string(uids.first) + " to " +
                            std::to_string(std::uint64_t{uids.first} + uids.count - 1);
  judge(out, "uids of jobs", accounts.users_in_range.empty(),
        accounts.users_in_range.empty() ? range + " are nobody's"
                                        : range + " belong to " + joined(accounts.users_in_range),
        Verdict::Unfit, "a job could act as that user", "choose another uids.first");
  if (!accounts.subordinate_ranges.empty())
    out.push_back({"subordinate uids", Verdict::Warning,
                   "/etc/subuid gives some of " + range + " to " +
                       joined(accounts.subordinate_ranges),
                   "their containers and our jobs could signal each other",
                   "choose another uids.first"});
  judge(out, "group tariff", accounts.group_exists,
        accounts.group_exists ? "there" : "does not exist", Verdict::Warning,
        "only root can place jobs", "systemd-sysusers");
}

Findings diagnose(const Facts& facts) {
  Findings out;
  check_kernel(facts, out);
  check_cgroups(facts, out);
  check_cpus(facts, out);
  check_mode(facts, out);
  check_host_changes(facts, out);
  check_memory(facts, out);
  check_daemons(facts, out);
  check_accounts(facts, out);
  return out;
}

bool fit(const Findings& findings, bool strict) {
  return std::none_of(findings.begin(), findings.end(), [strict](const Finding& finding) {
    return finding.verdict == Verdict::Unfit || (strict && finding.verdict == Verdict::Warning);
  });
}

const char* word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Ok: return "ok";
    case Verdict::Note: return "note";
    case Verdict::Unknown: return "unknown";
    case Verdict::Warning: return "warning";
    case Verdict::Unfit: return "UNFIT";
  }
  return "unknown";
}

}  // namespace tariff::ctl
