// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/top_view.h"

#include "support/catch.h"
#include "tools/ctl/events.h"

using namespace tariff;
using namespace tariff::ctl;
using namespace std::chrono_literals;

namespace {

TopSample sample(std::chrono::seconds at, std::uint64_t done, std::int64_t cpu_us,
                 std::int64_t job_cpu_us) {
  TopSample out;
  out.at = std::chrono::steady_clock::time_point(at);
  out.status.set_version("1");
  out.status.set_uptime_ns(std::chrono::nanoseconds(at).count());
  out.status.set_cpus(2);
  out.status.set_cpu_enforcement("fifo");
  out.status.set_launcher_connected(true);
  out.status.set_refused(done);
  auto& low = *out.status.add_classes();
  low.set_name("bulk");
  low.set_rank(1);
  auto& top = *out.status.add_classes();
  top.set_name("gold");
  top.set_rank(2);
  top.set_done(done);
  top.set_failed(done / 2);
  top.set_cpu_us(cpu_us);
  TopJob job;
  job.job.set_id("j1");
  job.job.set_function("spin");
  job.job.set_class_run("gold");
  job.job.set_state(v1::JOB_STATE_RUNNING);
  job.cpu_us = job_cpu_us;
  out.jobs.push_back(std::move(job));
  return out;
}

v1::Job job(const std::string& id, v1::JobState state) {
  v1::Job out;
  out.set_id(id);
  out.set_state(state);
  out.set_class_run("gold");
  out.set_function("spin");
  return out;
}

}  // namespace

TEST_CASE("rates are differences over the time between two samples", "[top]") {
  const auto before = sample(10s, 100, 1'000'000, 0);
  const auto now = sample(12s, 110, 4'000'000, 0);
  const auto rates = rates_of(&before, now, now.status.classes(1));
  CHECK(*rates.done == 5.0);
  CHECK(*rates.failed == 2.5);
  CHECK(*rates.cpu_share == 1.5);
  CHECK_FALSE(rates_of(nullptr, now, now.status.classes(1)).done);
}

TEST_CASE("after a restart of the agent no rate is made up from its new counters", "[top]") {
  const auto before = sample(100s, 1'000, 1'000'000, 0);
  auto now = sample(102s, 3, 3'000'000, 0);
  now.status.set_uptime_ns(1);
  const auto rates = rates_of(&before, now, now.status.classes(1));
  CHECK_FALSE(rates.done);
  CHECK(*rates.cpu_share == 1.0);  // the cgroup's counter goes on
}

TEST_CASE("a frame shows the dearest class first and the busiest jobs", "[top]") {
  const auto before = sample(10s, 100, 0, 1'000'000);
  const auto now = sample(12s, 110, 2'000'000, 2'000'000);
  CHECK(top_text(&before, now, {}, "") ==
        R"(tariff 1  up 12.0 s  2 CPUs  fifo  0 free of 0  refused 5.0/s


CLASS  RUNNING  WAITING  SWAPPED  DONE/s  FAILED/s   CPU  P50  P99  MEMORY
gold         0        0        0     5.0       2.5  100%    0    0       0
bulk         0        0        0     0.0       0.0  0.0%    -    -       0

  CPU  CPU TIME  CLASS  FUNCTION  STATE    JOB
50.0%    2.00 s  gold   spin      running  j1
)");
}

TEST_CASE("a frame says what is wrong", "[top]") {
  auto now = sample(10s, 0, 0, 0);
  now.status.set_launcher_connected(false);
  now.status.set_draining(true);
  const auto text = top_text(nullptr, now, {}, "THE AGENT IS AWAY\x1b[2J");
  CHECK(text.find("THE AGENT IS AWAY?[2J  LAUNCHER NOT CONNECTED  DRAINING\n") !=
        std::string::npos);
}

TEST_CASE("a frame fits the terminal", "[top]") {
  const auto now = sample(10s, 0, 0, 0);
  const auto text = top_text(nullptr, now, {20, 5}, "");
  std::size_t lines = 0;
  std::size_t longest = 0;
  std::size_t length = 0;
  for (const char c : text) {
    length = c == '\n' ? 0 : length + 1;
    longest = std::max(longest, length);
    lines += c == '\n';
  }
  CHECK(lines == 5);
  CHECK(longest == 20);
  CHECK(fitted("\xc3\xa4\xc3\xb6\xc3\xbc!\n", {3, 0}) == "\xc3\xa4\xc3\xb6\xc3\xbc\n");
}

TEST_CASE("a state is news once", "[events]") {
  EventHistory history;
  CHECK(history.news(job("a", v1::JOB_STATE_RUNNING)));
  CHECK_FALSE(history.news(job("a", v1::JOB_STATE_RUNNING)));
  CHECK(history.news(job("a", v1::JOB_STATE_ENDED)));
  CHECK_FALSE(history.news(job("a", v1::JOB_STATE_ENDED)));
}

TEST_CASE("the oldest of very many ended jobs are forgotten, running ones are not", "[events]") {
  EventHistory history;
  history.news(job("running", v1::JOB_STATE_RUNNING));
  for (int i = 0; i <= 4'096; ++i) history.news(job(std::to_string(i), v1::JOB_STATE_ENDED));
  CHECK(history.news(job("0", v1::JOB_STATE_ENDED)));
  CHECK_FALSE(history.news(job("4096", v1::JOB_STATE_ENDED)));
  CHECK_FALSE(history.news(job("running", v1::JOB_STATE_RUNNING)));
}

TEST_CASE("events are filtered by class and function", "[events]") {
  const auto one = job("a", v1::JOB_STATE_RUNNING);
  CHECK(EventFilter{"", ""}.takes(one));
  CHECK(EventFilter{"gold", "spin"}.takes(one));
  CHECK_FALSE(EventFilter{"bulk", ""}.takes(one));
  CHECK_FALSE(EventFilter{"", "other"}.takes(one));
}
