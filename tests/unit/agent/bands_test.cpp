// SPDX-License-Identifier: Apache-2.0
#include "agent/bands.h"

#include "support/catch.h"

namespace tariff::agent {
namespace {

BandFacts good() {
  BandFacts facts;
  facts.agent = {"tariffd.service", {{"tariffd", 60}, {"worker", 56}}, -999, 1, 64, 64};
  facts.launcher = {"tariff-launcher.service",
                    {{"tariff-launcher", 58}, {"launch", 58}, {"leaf-maker", 56}}, -1000, 1, 32,
                    32};
  return facts;
}

std::string said(const BandFacts& facts) {
  const auto found = objections(facts, config::NodeConfig());
  REQUIRE(found.size() == 1);
  return found.front();
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST_CASE("a node whose bands are as configured has no objections") {
  CHECK(objections(good(), config::NodeConfig()).empty());
}

TEST_CASE("a priority that differs between configuration and unit is said with what to do") {
  BandFacts facts = good();
  facts.launcher.threads = {{"tariff-launcher", 57}};
  CHECK(has(said(facts), "fifo.launcher is 58"));
  CHECK(has(said(facts), "CPUSchedulingPriority="));
  facts = good();
  facts.agent.threads = {{"tariffd", 0}, {"worker", 0}};
  CHECK(has(said(facts), "without SCHED_FIFO"));
}

TEST_CASE("a thread that fell out of its band is named") {
  BandFacts facts = good();
  facts.launcher.threads[1].level = 54;
  CHECK(has(said(facts), "thread launch of tariff-launcher.service"));
  facts = good();
  facts.agent.threads[1].level = 0;
  CHECK(has(said(facts), "thread worker of tariffd.service"));
}

TEST_CASE("threads that are lower on purpose are in their band") {
  BandFacts facts = good();
  facts.agent.threads.push_back({"metrics", 0});
  facts.agent.threads.push_back({"tls", 56});
  facts.launcher.threads.push_back({"journal", 56});
  CHECK(objections(facts, config::NodeConfig()).empty());
}

TEST_CASE("missing rights, protection and locking are each said") {
  BandFacts facts = good();
  SECTION("real-time groups") {
    facts.rt_group_sched = true;
    CHECK(has(said(facts), "CONFIG_RT_GROUP_SCHED"));
  }
  SECTION("no right") {
    facts.may_set_priorities = false;
    CHECK(has(said(facts), "CAP_SYS_NICE"));
  }
  SECTION("not locked") {
    facts.agent.locked_bytes = 0;
    CHECK(has(said(facts), "LimitMEMLOCK"));
  }
  SECTION("an ancestor that does not protect") {
    facts.launcher.memory_protected = 16;
    CHECK(has(said(facts), "only 16 count"));
  }
  SECTION("OOM killer") {
    facts.agent.oom_score_adj = 0;
    CHECK(has(said(facts), "-999"));
  }
  SECTION("no launcher") {
    facts.launcher.threads.clear();
    CHECK(has(said(facts), "tariff-launcher.service"));
    facts.launcher_expected = false;
    CHECK(objections(facts, config::NodeConfig()).empty());
  }
}

TEST_CASE("without SCHED_FIFO for jobs the bands do not matter") {
  BandFacts facts = good();
  facts.agent.threads = {{"tariffd", 0}};
  config::NodeConfig config;
  config.cpu_enforcement = config::CpuEnforcement::Weight;
  CHECK(objections(facts, config).empty());
}

TEST_CASE("protection is shared among siblings in proportion to what they ask") {
  CHECK(protected_share(64, 104, 104) == 64);
  CHECK(protected_share(64, 104, 1'000) == 64);
  CHECK(protected_share(50, 100, 50) == 25);
  CHECK(protected_share(64, 64, 0) == 0);
  CHECK(protected_share(0, 0, 10) == 0);
}

}  // namespace
}  // namespace tariff::agent
