// SPDX-License-Identifier: Apache-2.0
#include "agent/usage.h"

#include "support/catch.h"

using namespace tariff::agent;
using namespace std::chrono_literals;

TEST_CASE("runnable jobs get the CPUs from the highest class down and the rest wait") {
  const std::vector<JobSample> jobs{{1, true, 'R'}, {1, true, 'R'}, {1, true, 'R'},
                                    {3, true, 'R'}, {2, true, 'S'}};
  const auto loads = split_load(jobs, 3, 2);
  REQUIRE(loads.size() == 3);
  CHECK(loads[0].running == 1);
  CHECK(loads[0].waiting == 2);
  CHECK(loads[1].running == 1);  // asleep: it lacks no CPU
  CHECK(loads[2].running == 1);
}

TEST_CASE("a job that has had no CPU yet waits whatever its state says") {
  const auto loads = split_load({{2, false, 'S'}, {2, false, 'R'}}, 2, 8);
  CHECK(loads[1].waiting == 2);
  CHECK(loads[1].running == 0);
}

TEST_CASE("samples of ranks that no longer exist are left out") {
  const auto loads = split_load({{0, true, 'R'}, {4, true, 'R'}}, 3, 2);
  for (const auto& load : loads) CHECK(load.running + load.waiting == 0);
}

TEST_CASE("percentiles are nearest rank over the last 1,024 latencies") {
  LatencyWindow window;
  CHECK(window.percentile(990) == 0us);
  window.add(7us);
  CHECK(window.percentile(500) == 7us);
  CHECK(window.percentile(990) == 7us);
  for (int i = 1; i <= 100; ++i) window.add(std::chrono::microseconds(i * 10));
  CHECK(window.size() == 101);
  CHECK(window.percentile(990) == 990us);
  for (int i = 0; i < 2'000; ++i) window.add(5us);
  CHECK(window.size() == 1'024);
  CHECK(window.percentile(990) == 5us);
}
