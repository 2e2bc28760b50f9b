// SPDX-License-Identifier: Apache-2.0
// k-choices, what a machine refuses, the shard that composes the policies, and class inheritance.
#include <algorithm>
#include <map>
#include <set>

#include "scheduler/inheritance.h"
#include "scheduler/shard.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::scheduler;
using namespace std::chrono_literals;

namespace {

ShardSettings settings(std::uint32_t k, bool idle_list) {
  ShardSettings out;
  for (const double price : {0.3, 1.0, 2.0}) out.classes.push_back({price, std::nullopt, {}});
  out.k = out.k_after_empty_list = k;
  out.use_idle_list = idle_list;
  return out;
}

JobsByClass jobs(std::uint32_t low, std::uint32_t high) {
  JobsByClass out;
  out.add(1, low);
  out.add(3, high);
  return out;
}

}  // namespace

TEST_CASE("a sample has k different machines, and every machine its turn") {
  Random random(1);
  std::vector<std::uint32_t> out;
  std::map<std::uint32_t, int> seen;
  for (int i = 0; i < 10'000; ++i) {
    sample(10, 3, random, out);
    REQUIRE(std::set<std::uint32_t>(out.begin(), out.end()).size() == 3);
    for (const auto machine : out) ++seen[machine];
  }
  for (std::uint32_t machine = 0; machine < 10; ++machine)
    CHECK(seen[machine] == Approx(3'000).margin(200));
  sample(4, 9, random, out);
  CHECK(std::set<std::uint32_t>(out.begin(), out.end()).size() == 4);
  sample(0, 3, random, out);
  CHECK(out.empty());
}

TEST_CASE("the power of two choices: the fullest of 1000 bins has few balls") {
  Random random(7);
  const auto fullest = [&](std::uint32_t k) {
    std::vector<std::uint32_t> bins(1'000), looked;
    for (int ball = 0; ball < 1'000; ++ball) {
      sample(1'000, k, random, looked);
      ++bins[least_of(looked, [&](std::uint32_t bin) { return bins[bin]; })];
    }
    return *std::max_element(bins.begin(), bins.end());
  };
  CHECK(fullest(1) >= 4);
  CHECK(fullest(2) <= 4);  // ln ln n / ln 2 + O(1)
}

TEST_CASE("what counts can be all jobs or those that may delay mine") {
  Shard shard(settings(2, false), 2);
  const std::vector<JobsByClass> on = {jobs(9, 0), jobs(0, 3)};
  const std::vector<MachineId> polled = {0, 1};
  const auto choose = [&](CountRule rule, int rank) {
    auto its = settings(2, false);
    its.count = rule;
    return Shard(its, 2).choose(polled, rank, [&](MachineId id) -> auto& { return on[id]; },
                                [](MachineId) { return true; });
  };
  CHECK(choose(CountRule::All, 3) == 1U);
  CHECK(choose(CountRule::AtLeastMyClass, 3) == 0U);
  CHECK(choose(CountRule::AtLeastMyClass, 1) == 1U);
}

TEST_CASE("a machine refuses above max_jobs_per_class and while a class as high feels pressure") {
  MachineReport report;
  report.jobs = jobs(4, 1);
  CHECK_FALSE(refuses(report, 1, {}));
  CHECK(refuses(report, 1, {4U}) == Refusal::TooManyJobs);
  CHECK_FALSE(refuses(report, 3, {4U}));
  report.suffers = 2;
  CHECK(refuses(report, 1, {}) == Refusal::Pressure);
  CHECK(refuses(report, 2, {}) == Refusal::Pressure);
  CHECK_FALSE(refuses(report, 3, {}));
}

TEST_CASE("a job that every machine refuses waits at its place, and only its class rests") {
  Shard shard(settings(3, false), 3);
  Random random(1);
  shard.accept(1, 2, 1s);
  shard.accept(2, 2, 2s);
  shard.accept(3, 3, 3s);
  const auto attempt = shard.begin(3s);
  REQUIRE(attempt);
  REQUIRE(attempt->waiting.job == 1);
  const auto none = shard.choose(
      shard.whom_to_poll(random), 2, [](MachineId) { return jobs(0, 0); },
      [](MachineId) { return false; });
  CHECK_FALSE(none);
  shard.refused(*attempt, 3s);
  CHECK(shard.queue().size() == 3);
  CHECK(shard.next_try(3s) == 3s + 10ms);
  CHECK(shard.begin(3s)->waiting.job == 3);
  CHECK_FALSE(shard.begin(3s));
  CHECK(shard.begin(4s)->waiting.job == 1);
  CHECK_FALSE(shard.next_try(4s));
}

TEST_CASE("an idle list answers without a poll, and an empty one does not") {
  Shard shard(settings(3, true), 3);
  MachineReport report;
  report.machine = 2;
  report.free = 100;
  shard.idle().offer(report, 0s);
  shard.accept(1, 1, 0s);
  shard.accept(2, 1, 0s);
  CHECK(shard.begin(0s)->from_idle_list == 2U);
  shard.idle().forget(2);
  CHECK_FALSE(shard.begin(0s)->from_idle_list);
  CHECK_FALSE(shard.begin(0s));
}

TEST_CASE("a callee runs in the higher of its class and its caller's") {
  CallGraph graph;
  graph.add(1, 3);
  CHECK(graph.add(2, 1, 1) == 3);
  CHECK(graph.add(3, 5, 2) == 5);
  CHECK(graph.add(4, 2, 99) == 2);  // whoever called it has ended
  CHECK(graph.rank_of(1) == 3);     // never upwards: a caller does not gain by calling
}

TEST_CASE("raising a caller raises what it called and waits for, at once") {
  CallGraph graph;
  graph.add(1, 1);
  graph.add(2, 1, 1);
  graph.add(3, 2, 2);
  graph.add(4, 1);
  CHECK(graph.wait_for(3, 4) == std::vector<Raised>{{4, 2, 3}});
  const auto raised = graph.raise(1, 5);
  CHECK(raised.size() == 4);
  for (const JobId job : {1U, 2U, 3U, 4U}) CHECK(graph.rank_of(job) == 5);
  CHECK(graph.raise(1, 4).empty());
}

TEST_CASE("who ended passes nothing on, and a cycle is harmless") {
  CallGraph graph;
  graph.add(1, 1);
  graph.add(2, 1, 1);
  graph.wait_for(2, 1);
  CHECK(graph.raise(2, 4).size() == 2);
  graph.end(1);
  CHECK(graph.raise(2, 5) == std::vector<Raised>{{2, 5, 2}});
  graph.end(2);
  graph.end(2);
  CHECK(graph.size() == 0);
}

TEST_CASE("nobody waits for a lower class, whatever calls whom") {
  Random random(static_cast<std::uint64_t>(GENERATE(range(1, 20))));
  CallGraph graph;
  std::vector<std::pair<JobId, JobId>> waits;
  std::set<JobId> ended;
  for (JobId job = 0; job < 300; ++job) {
    const auto other = static_cast<JobId>(random.below(static_cast<std::uint32_t>(job) + 1));
    const int rank = 1 + static_cast<int>(random.below(5));
    if (other == job || ended.contains(other)) graph.add(job, rank);
    else graph.add(job, rank, other), waits.emplace_back(other, job);
    const auto third = static_cast<JobId>(random.below(static_cast<std::uint32_t>(job) + 1));
    switch (random.below(4)) {
      case 0: graph.raise(third, rank); break;
      case 1: graph.end(third), ended.insert(third); break;
      default:
        graph.wait_for(third, other);
        waits.emplace_back(third, other);
    }
    std::erase_if(waits, [&](auto& wait) {
      return ended.contains(wait.first) || ended.contains(wait.second);
    });
    for (const auto& [caller, callee] : waits)
      REQUIRE(graph.rank_of(callee) >= graph.rank_of(caller));
  }
}
