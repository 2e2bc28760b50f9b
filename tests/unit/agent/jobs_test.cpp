// SPDX-License-Identifier: Apache-2.0
#include "agent/jobs.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agent/records.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::agent;

namespace {

launcher::Record record_of(const std::string& id, launcher::State state) {
  launcher::Record record;
  record.set_id(id);
  record.set_class_run("bulk");
  record.set_state(state);
  record.set_accepted_ns(monotonic_ns());
  if (state == launcher::STATE_ENDED) {
    record.set_reason(launcher::REASON_EXITED);
    record.set_ended_ns(record.accepted_ns() + 5'000'000);
  }
  return record;
}

/// Runs one wait until nothing is left to do; true if it returned.
bool wait_returns(asio::io_context& io, Jobs& jobs, const std::string& id,
                  const std::function<void()>& meanwhile) {
  bool returned = false;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        co_await jobs.wait_ended(id, std::nullopt, jobs.new_wait());
        returned = true;
      },
      asio::detached);
  io.poll();
  io.restart();
  meanwhile();
  io.poll();
  io.restart();
  return returned;
}

}  // namespace

TEST_CASE("a wait returns when the job has ended and not before") {
  asio::io_context io;
  Jobs jobs(io);
  jobs.apply(record_of("a", launcher::STATE_RUNNING));
  CHECK(wait_returns(io, jobs, "a", [&] { jobs.apply(record_of("a", launcher::STATE_ENDED)); }));
  jobs.apply(record_of("b", launcher::STATE_RUNNING));
  CHECK_FALSE(
      wait_returns(io, jobs, "b", [&] { jobs.apply(record_of("b", launcher::STATE_ENDING)); }));
}

TEST_CASE("a launch reply that arrives after the job's end does not bring it back to life") {
  asio::io_context io;
  Jobs jobs(io);
  jobs.apply(record_of("a", launcher::STATE_ENDED));
  jobs.apply(record_of("a", launcher::STATE_WAITING));
  CHECK(jobs.find("a")->state() == launcher::STATE_ENDED);
  CHECK(jobs.live() == 0);
}

TEST_CASE("a job that a new launcher does not know ends as launcher_lost and wakes its waiters") {
  asio::io_context io;
  Jobs jobs(io);
  jobs.apply(record_of("lost", launcher::STATE_RUNNING));
  jobs.apply(record_of("kept", launcher::STATE_RUNNING));
  const bool returned = wait_returns(io, jobs, "lost", [&] {
    jobs.begin_replay();
    jobs.apply(record_of("kept", launcher::STATE_RUNNING));
    jobs.end_replay(monotonic_ns());
  });
  CHECK(returned);
  CHECK(jobs.find("lost")->reason() == launcher::REASON_LAUNCHER_LOST);
  CHECK(jobs.find("kept")->state() == launcher::STATE_RUNNING);
  CHECK(jobs.live() == 1);
}

TEST_CASE("the first end of a job stays when the launcher dies after it has told it") {
  asio::io_context io;
  Jobs jobs(io);
  auto ended = record_of("empty", launcher::STATE_ENDED);
  ended.set_exit_status(3);
  auto with_result = record_of("result", launcher::STATE_ENDED);
  with_result.set_result_bytes(10);
  for (const auto& record : {ended, with_result}) {
    jobs.apply(record_of(record.id(), launcher::STATE_RUNNING));
    jobs.apply(record);
  }
  jobs.begin_replay();
  for (const auto state : {launcher::STATE_ENDING, launcher::STATE_ENDED}) {
    for (const char* id : {"empty", "result"}) {
      auto lost = record_of(id, state);
      lost.set_reason(launcher::REASON_LAUNCHER_LOST);
      jobs.apply(lost);
    }
    if (state == launcher::STATE_ENDING) jobs.end_replay(monotonic_ns());
  }
  CHECK(jobs.find("empty")->reason() == launcher::REASON_EXITED);
  CHECK(jobs.find("empty")->exit_status() == 3);
  // Its result nobody can have any more, so it is not told as a success.
  CHECK(jobs.find("result")->reason() == launcher::REASON_LAUNCHER_LOST);
  CHECK(jobs.find("result")->result_bytes() == 0);
  CHECK(jobs.live() == 0);
  CHECK(jobs.totals("bulk").done == 2);
  CHECK(jobs.totals("bulk").failed == 1);
}

TEST_CASE("an end is counted once, and ends from before this agent's start are not counted") {
  asio::io_context io;
  auto old_end = record_of("old", launcher::STATE_ENDED);
  old_end.set_ended_ns(1);
  Jobs jobs(io);
  jobs.begin_replay();
  jobs.apply(old_end);
  jobs.end_replay(monotonic_ns());
  CHECK(jobs.totals("bulk").done == 0);
  jobs.apply(record_of("a", launcher::STATE_RUNNING));
  jobs.apply(record_of("a", launcher::STATE_ENDED));
  jobs.apply(record_of("a", launcher::STATE_ENDED));
  CHECK(jobs.totals("bulk").done == 1);
  CHECK(jobs.totals("bulk").failed == 0);
  auto failed = record_of("b", launcher::STATE_ENDED);
  failed.set_exit_status(3);
  jobs.apply(failed);
  CHECK(jobs.totals("bulk").done == 2);
  CHECK(jobs.totals("bulk").failed == 1);
}

TEST_CASE("records are listed newest first from any point, and an expired one is gone") {
  asio::io_context io;
  Jobs jobs(io);
  for (const char* id : {"a", "b", "c"}) jobs.apply(record_of(id, launcher::STATE_ENDED));
  std::string seen;
  std::uint64_t order_of_c = 0;
  jobs.newest_first(0, [&](std::uint64_t order, const launcher::Record& record) {
    if (record.id() == "c") order_of_c = order;
    seen += record.id();
    return true;
  });
  CHECK(seen == "cba");
  seen.clear();
  jobs.apply(record_of("b", launcher::STATE_EXPIRED));
  jobs.newest_first(order_of_c, [&](std::uint64_t, const launcher::Record& record) {
    seen += record.id();
    return true;
  });
  CHECK(seen == "a");
  CHECK(jobs.find("b") == nullptr);
}

TEST_CASE("a job is billed at the prices it was placed at, exactly") {
  auto record = record_of("a", launcher::STATE_ENDED);
  record.set_price_millionths(300'000);        // 0.3 micro-cents
  record.set_cpu_us(1'500'000);
  record.set_memory_price_millionths(1'000'000);
  record.set_memory_byte_us_low(500'000'000'000'000);  // half a GB-second
  CHECK(cost_of(record).text() == "0.95");
  const auto job = api_job(record);
  CHECK(job.cost() == "0.95");
  CHECK(job.memory_gb_seconds() == Approx(0.5));
}

TEST_CASE("times in the API are since acceptance, and what was not reached is zero") {
  auto record = record_of("a", launcher::STATE_RUNNING);
  record.set_first_ran_ns(record.accepted_ns() + 7);
  const auto job = api_job(record);
  CHECK(job.first_ran_ns() == 7);
  CHECK(job.ended_ns() == 0);
}
