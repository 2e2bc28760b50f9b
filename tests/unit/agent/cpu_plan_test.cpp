// SPDX-License-Identifier: Apache-2.0
#include "agent/cpu_plan.h"

#include "support/catch.h"

using namespace tariff;
using namespace tariff::agent;
using cgroup::CpuSet;
using config::CpuMode;

namespace {
CpuSet first(int count) {
  CpuSet cpus;
  for (int cpu = 0; cpu < count; ++cpu) cpus.insert(cpu);
  return cpus;
}
CpuPlan plan(CpuMode mode, int reserved, const CpuSnapshot& snapshot) {
  return plan_cpus({mode, reserved}, snapshot);
}
}  // namespace

TEST_CASE("two CPUs are split: the first for the system, the second for jobs") {
  for (const auto mode : {CpuMode::Auto, CpuMode::Reserved}) {
    const auto got = plan(mode, 1, {{0, 1}, {0, 1}});
    CHECK(got.reserved);
    CHECK(got.system == CpuSet{0});
    CHECK(got.classes == CpuSet{1});
    CHECK(got.why == "2 CPUs online, 1 kept for the system (cpus.reserved)");
    CHECK(got.warning.empty());
  }
}

TEST_CASE("one CPU is shared, and only who asked for more is warned") {
  const auto chosen = plan(CpuMode::Auto, 1, {{0}, {0}});
  CHECK_FALSE(chosen.reserved);
  CHECK(chosen.system == CpuSet{0});
  CHECK(chosen.classes == CpuSet{0});
  CHECK(chosen.why == "only 1 CPU online; reserving 1 would leave none for jobs");
  CHECK(chosen.warning.empty());
  const auto asked = plan(CpuMode::Reserved, 1, {{0}, {0}});
  CHECK_FALSE(asked.reserved);
  CHECK(asked.warning.find("cpus.mode is reserved, but the CPUs are shared: only 1 CPU") == 0);
}

TEST_CASE("shared as configured uses every CPU and warns of nothing") {
  const auto got = plan(CpuMode::Shared, 1, {first(8), first(8)});
  CHECK_FALSE(got.reserved);
  CHECK(got.classes == first(8));
  CHECK(got.system == first(8));
  CHECK(got.why == "cpus.mode is shared");
  CHECK(got.warning.empty());
}

TEST_CASE("no set of a plan is ever empty, the two never overlap and together are all CPUs") {
  for (int online = 1; online <= 9; ++online)
    for (int reserved = 1; reserved <= 10; ++reserved)
      for (const auto mode : {CpuMode::Auto, CpuMode::Reserved, CpuMode::Shared}) {
        const auto got = plan(mode, reserved, {first(online), {}});
        REQUIRE_FALSE(got.system.empty());
        REQUIRE_FALSE(got.classes.empty());
        REQUIRE_FALSE(got.why.empty());
        if (got.reserved) {
          REQUIRE(cgroup::common(got.system, got.classes).empty());
          REQUIRE(static_cast<int>(got.system.size()) == reserved);
          REQUIRE(static_cast<int>(got.system.size() + got.classes.size()) == online);
        } else {
          REQUIRE(got.system == got.classes);
        }
        REQUIRE(got.reserved == (mode != CpuMode::Shared && reserved < online));
        REQUIRE(got.warning.empty() == (mode != CpuMode::Reserved || got.reserved));
      }
}

TEST_CASE("an unplugged CPU moves the edge, whichever it is") {
  CHECK(plan(CpuMode::Auto, 1, {{0, 2, 3}, first(4)}).classes == CpuSet{2, 3});
  const auto without_first = plan(CpuMode::Auto, 1, {{1, 2, 3}, first(4)});
  CHECK(without_first.system == CpuSet{1});
  CHECK(without_first.classes == CpuSet{2, 3});
  CHECK_FALSE(plan(CpuMode::Auto, 1, {{3}, first(4)}).reserved);
}

TEST_CASE("CPUs that the machine's cgroups may not use are left out") {
  const auto got = plan(CpuMode::Auto, 1, {first(8), {4, 5, 6}});
  CHECK(got.system == CpuSet{4});
  CHECK(got.classes == CpuSet{5, 6});
  // Two files read at two times: nothing in common means that one of them is old.
  CHECK(plan(CpuMode::Auto, 1, {{0, 1}, {2, 3}}).classes == CpuSet{1});
}

TEST_CASE("without the cpuset controller the CPUs are shared, and who asked for more is warned") {
  CpuSnapshot snapshot{first(4), first(4)};
  snapshot.has_cpuset = false;
  const auto got = plan(CpuMode::Reserved, 1, snapshot);
  CHECK_FALSE(got.reserved);
  CHECK(got.warning.find("the cpuset controller is not there") != std::string::npos);
  CHECK(plan(CpuMode::Auto, 1, snapshot).warning.empty());
  CHECK(plan(CpuMode::Shared, 1, snapshot).why == "cpus.mode is shared");
}

TEST_CASE("everything of systemd's directly below the root is the host's, but tariff.slice") {
  for (const char* name : {"system.slice", "user.slice", "machine.slice", "init.scope",
                           "backup.slice", "odd.service"})
    CHECK(is_host_unit(name));
  for (const char* name : {"tariff.slice", "docker", "kubepods", "sys-fs-fuse.mount", ""})
    CHECK_FALSE(is_host_unit(name));
}

TEST_CASE("the holder's unit is not confined, since the job tree is in it") {
  for (const auto& name : own_services()) CHECK(name != "tariff-jobs.service");
}
