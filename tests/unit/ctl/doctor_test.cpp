// SPDX-License-Identifier: Apache-2.0
// A machine in order, and one thing after the other that is not.
#include <unistd.h>

#include <functional>

#include "support/catch.h"
#include "tools/ctl/doctor_checks.h"
#include "tools/ctl/doctor_sources.h"
#include "tools/ctl/doctor_view.h"

using namespace tariff;
using namespace tariff::ctl;

namespace {

Facts good_machine() {
  Facts facts;
  facts.root = true;
  facts.kernel = {6, 1, "6.1.0-amd64", 252, false, true, "tsc", true, 4'194'304, 100'000};
  facts.cpu = {4, 950'000, 1'000'000, false, std::nullopt};
  const std::vector<std::string> controllers{"cpuset", "cpu", "io", "memory", "pids"};
  facts.cgroup = {true, controllers, controllers, true, true, true, true, true,
                  {{"tariff.slice", 104 << 20},
                   {"tariffd.service", 64 << 20},
                   {"tariff-launcher.service", 32 << 20},
                   {"tariff-jobs.service", 8 << 20}}};
  facts.memory = {8ULL << 30, 8ULL << 30, {"/dev/vdb"}, false, "madvise", 0U, 60, 3};
  facts.agent = ProcessFacts{10, "fifo", 60, -999, 40 << 20, 65'536};
  facts.launcher = ProcessFacts{11, "fifo", 58, -1000, 0, 524'288};
  facts.holder = ProcessFacts{12, "fifo", 58, -1000, 0, 1'024};
  facts.agent_socket = {true, 0660, "root", "tariff"};
  facts.launcher_socket = {true, 0600, "root", "root"};
  facts.accounts.group_exists = true;
  facts.mode = {true, "reserved", "", "0", "1-3", {}};
  return facts;
}

const Finding* find(const Findings& findings, const std::string& topic) {
  for (const auto& finding : findings)
    if (finding.topic == topic) return &finding;
  return nullptr;
}

struct Case {
  const char* topic;
  Verdict verdict;
  std::function<void(Facts&)> change;
};

}  // namespace

TEST_CASE("a machine in order is fit, even strictly", "[doctor]") {
  const auto findings = diagnose(good_machine());
  for (const auto& finding : findings) {
    INFO(finding.topic << ": " << finding.found);
    CHECK(finding.verdict <= Verdict::Note);
  }
  CHECK(fit(findings, true));
  CHECK(findings.size() > 25);
}

TEST_CASE("each thing amiss is found, with what it means or what to do", "[doctor]") {
  const Case cases[] = {
      {"kernel", Verdict::Unfit, [](Facts& f) { f.kernel.major = 5; }},
      {"pidfd", Verdict::Unfit, [](Facts& f) { f.kernel.pidfd = false; }},
      {"systemd", Verdict::Unfit, [](Facts& f) { f.kernel.systemd_version = 249; }},
      {"systemd", Verdict::Unfit, [](Facts& f) { f.kernel.systemd_version.reset(); }},
      {"RT_GROUP_SCHED", Verdict::Unfit, [](Facts& f) { f.kernel.rt_group_sched = true; }},
      {"RT_GROUP_SCHED", Verdict::Unknown, [](Facts& f) { f.kernel.rt_group_sched.reset(); }},
      {"clock source", Verdict::Warning, [](Facts& f) { f.kernel.clocksource = "hpet"; }},
      {"time of day", Verdict::Note, [](Facts& f) { f.kernel.clock_synchronised = false; }},
      {"pid_max", Verdict::Warning, [](Facts& f) { f.kernel.pid_max = 4'096; }},
      {"cgroup v2", Verdict::Unfit, [](Facts& f) { f.cgroup.unified = false; }},
      {"controller memory", Verdict::Unfit,
       [](Facts& f) { f.cgroup.root_controllers = {"cpu", "pids"}; }},
      {"controller cpuset", Verdict::Warning,
       [](Facts& f) { f.cgroup.root_controllers = {"cpu", "pids", "memory", "io"}; }},
      {"controller pids", Verdict::Unfit,
       [](Facts& f) { f.cgroup.tree_controllers = {{"cpu", "memory"}}; }},
      {"controller cpu", Verdict::Note, [](Facts& f) { f.cgroup.tree_controllers.reset(); }},
      {"cgroup.freeze", Verdict::Unfit, [](Facts& f) { f.cgroup.freeze = false; }},
      {"cgroup.kill", Verdict::Warning, [](Facts& f) { f.cgroup.kill = false; }},
      {"memory.reclaim", Verdict::Warning, [](Facts& f) { f.cgroup.reclaim = false; }},
      {"pressure (PSI)", Verdict::Warning, [](Facts& f) { f.cgroup.pressure = false; }},
      {"swap", Verdict::Warning, [](Facts& f) { f.memory.swap_total = 0; }},
      {"swap", Verdict::Note, [](Facts& f) { f.memory.swap_total = 1 << 30; }},
      {"RAM", Verdict::Warning, [](Facts& f) { f.memory.total = 512 << 20; }},
      {"memory.min of tariffd.service", Verdict::Warning,
       [](Facts& f) { f.cgroup.memory_min["tariff.slice"] = 0; }},
      {"agent", Verdict::Warning, [](Facts& f) { f.agent.reset(); }},
      {"agent", Verdict::Warning, [](Facts& f) { f.agent->priority = 50; }},
      {"launcher", Verdict::Warning, [](Facts& f) { f.launcher->policy = "other"; }},
      {"agent and OOM", Verdict::Warning, [](Facts& f) { f.agent->oom_score_adj = 0; }},
      {"agent in memory", Verdict::Warning, [](Facts& f) { f.agent->locked_bytes = 0; }},
      {"open files", Verdict::Warning, [](Facts& f) { f.launcher->open_files = 1'024; }},
      {"agent's socket", Verdict::Unfit, [](Facts& f) { f.agent_socket.mode = 0666; }},
      {"launcher's socket", Verdict::Unfit, [](Facts& f) { f.launcher_socket.owner = "eve"; }},
      {"uids of jobs", Verdict::Unfit, [](Facts& f) { f.accounts.users_in_range = {"eve"}; }},
      {"subordinate uids", Verdict::Warning,
       [](Facts& f) { f.accounts.subordinate_ranges = {"eve"}; }},
      {"group tariff", Verdict::Warning, [](Facts& f) { f.accounts.group_exists = false; }},
      {"enforcement", Verdict::Warning,
       [](Facts& f) { f.config.cpu_enforcement = config::CpuEnforcement::None; }},
      {"CPU mode", Verdict::Unknown, [](Facts& f) { f.mode = {}; }},
      {"CPU mode", Verdict::Note, [](Facts& f) { f.mode.mode = "shared"; }},
      {"psimon", Verdict::Warning, [](Facts& f) { f.psimon = {{99, "fifo", 1}}; }},
      {"configuration", Verdict::Warning, [](Facts& f) { f.config_error = "no file"; }},
  };
  for (const auto& one : cases) {
    auto facts = good_machine();
    one.change(facts);
    const auto findings = diagnose(facts);
    const auto* finding = find(findings, one.topic);
    INFO(one.topic);
    REQUIRE(finding != nullptr);
    CHECK(finding->verdict == one.verdict);
    CHECK_FALSE(finding->found.empty());
    if (one.verdict >= Verdict::Warning) CHECK((!finding->means.empty() || !finding->todo.empty()));
    CHECK(fit(findings, false) == (one.verdict != Verdict::Unfit));
    CHECK(fit(findings, true) == (one.verdict < Verdict::Warning));
  }
}

TEST_CASE("what somebody else has changed since is told apart, however it is written", "[doctor]") {
  auto facts = good_machine();
  facts.mode.changes = {{"irq", "24", "0-3", "0-1", "0,1"},
                        {"workqueue", "cpumask", "f", "1", "00000001"},
                        {"kthread", "55 gone", "0-3", "0", std::nullopt}};
  CHECK(fit(diagnose(facts), true));
  facts.mode.changes[0].present = "0-3";
  const auto findings = diagnose(facts);
  const auto* changed = find(findings, "host change");
  REQUIRE(changed != nullptr);
  CHECK(changed->verdict == Verdict::Warning);
  CHECK(changed->found == "irq 24: 0-3 -> 0-1, but is 0-3");
  CHECK(fit(findings, false));
}

TEST_CASE("present values are read where the kernel shows them", "[doctor]") {
  const auto present = [](const char* what, const char* target) {
    return present_value({what, target, {}, {}, {}});
  };
  CHECK(present("kthread", "2 kthreadd").has_value() == (::access("/proc/2", F_OK) == 0));
  CHECK_FALSE(present("kthread", "2 another"));
  CHECK_FALSE(present("irq", "../../etc/hostname"));
  CHECK_FALSE(present("irq", "/etc/hostname"));
  CHECK_FALSE(present("unit-property", "no-such.slice AllowedCPUs"));
  CHECK_FALSE(present("later", "thing"));
}

TEST_CASE("what brakes SCHED_FIFO is judged by kernel and mode", "[doctor]") {
  const auto verdict = [](bool reserved, std::optional<std::int64_t> fair_us, bool throttled) {
    auto facts = good_machine();
    facts.mode.mode = reserved ? "reserved" : "shared";
    facts.cpu.rt_runtime_us = throttled ? 950'000 : -1;
    facts.cpu.fair_server_exists = fair_us.has_value();
    facts.cpu.fair_server_us = fair_us;
    return fit(diagnose(facts), false);
  };
  CHECK(verdict(false, std::nullopt, true));         // 6.1 as it comes
  CHECK_FALSE(verdict(false, std::nullopt, false));  // 6.1, throttling off, no CPU kept
  CHECK(verdict(true, std::nullopt, false));         // the same with a CPU kept
  CHECK(verdict(false, 50'000, false));              // 6.12: the fair server is the brake
  CHECK_FALSE(verdict(false, 0, true));              // 6.12: throttling does nothing there
  CHECK(verdict(true, 0, true));
}

TEST_CASE("the agent's changes to the host are read, whatever the file holds", "[doctor]") {
  const auto mode = parse_mode(
      R"({"mode": "reserved", "why": "4 CPUs", "system_cpus": "0", "class_cpus": "1-3",
          "changes": [{"what": "sysctl", "target": "kernel.x", "before": 950000, "now": "-1"}, 7]})");
  CHECK(mode.known);
  CHECK(mode.class_cpus == "1-3");
  REQUIRE(mode.changes.size() == 1);
  CHECK(mode.changes[0].before == "950000");
  for (const char* text : {"", "{", "[]", "7", "null", "\"mode\""})
    CHECK_FALSE(parse_mode(text).known);
  for (const char* text : {"{}", R"({"changes": 5})", R"({"mode": {"a": 1}, "changes": [[]]})"})
    CHECK(parse_mode(text).changes.empty());
}

TEST_CASE("findings are shown with the remedy, and what is in order is counted", "[doctor]") {
  const Findings findings{{"swap", Verdict::Warning, "none", "jobs are killed", "add swap"},
                          {"kernel", Verdict::Ok, "Linux 6.1", "", ""}};
  CHECK(findings_text(findings, true, false) ==
        "warning  swap    none\n"
        "                 jobs are killed\n"
        "                 -> add swap\n"
        "ok       1 more (--all shows them)\n"
        "this machine is fit\n");
  CHECK(findings_text(findings, false, true)
            .ends_with("kernel  Linux 6.1\nthis machine is NOT fit\n"));
}
