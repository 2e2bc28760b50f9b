// SPDX-License-Identifier: Apache-2.0
// The launch benchmark, run where a Tariff agent runs: launch ROUNDS SLOW_EVERY CRUN_BUNDLE
// One static program that does nothing is started in turns: by the agent over one open connection,
// by posix_spawn, and every SLOW_EVERY-th round by systemd-run, StartTransientUnit and crun. All
// times are taken in this process. Then as many at once as go through, for the sustained rate.
// Prints JSON; tools/bench makes the table.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "ipc/client.h"
#include "ipc/proto/agent.pb.h"
#include "tools/benchmark/launch/processes.h"
#include "tools/benchmark/launch/transient_unit.h"

namespace {

using namespace tariff;
using namespace tariff::benchmark;
namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr const char* kSocket = "/run/tariff/agent.sock";
constexpr const char* kService = "tariff.v1.Agent";
constexpr const char* kFunction = "noop";
constexpr const char* kProgram = "/usr/lib/tariff/examples/functions/noop";
constexpr auto kPatience = 60s;
constexpr int kWarmUp = 20;          // rounds that are not counted
constexpr auto kRest = 50ms;         // before each measurement: none pays for another's cleaning up
constexpr auto kSustained = 5s;      // of full load
constexpr int kAtOnce = 16;          // calls under way then
constexpr int kSustainedBlocks = 3;

struct Options {
  int rounds;
  int slow_every;
  std::string bundle;
};

/// What a failure says ends the benchmark: half a table would be read as a whole one.
template <typename T>
T need(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "launch: %s\n", result.error().text().c_str());
    std::exit(1);
  }
  return std::move(*result);
}
void need(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "launch: %s\n", status.error().text().c_str());
  std::exit(1);
}

std::int64_t unix_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

using Agent = std::shared_ptr<ipc::Client>;

asio::awaitable<v1::Job> run_once(Agent agent) {
  v1::PlaceRequest place;
  place.set_function(kFunction);
  const auto placed =
      need(co_await agent->call<v1::PlaceReply>(kService, "Place", place, kPatience));
  if (!placed.accepted()) need(Error{ErrorKind::Internal, "refused: " + placed.message(), {}});
  v1::WaitRequest wait;
  wait.set_id(placed.id());
  wait.set_want_result(true);
  const auto ended = need(co_await agent->call<v1::WaitReply>(kService, "Wait", wait, kPatience));
  if (ended.job().end_reason() != v1::END_REASON_EXITED || ended.job().exit_status() != 0)
    need(Error{ErrorKind::Internal, "the job failed: " + ended.job().message(), {}});
  co_return ended.job();
}

asio::awaitable<void> rest() {
  asio::steady_timer timer(co_await asio::this_coro::executor, kRest);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> acknowledge(Agent agent, std::string id) {
  v1::AcknowledgeRequest request;
  request.set_id(id);
  need(co_await agent->call<v1::AcknowledgeReply>(kService, "Acknowledge", request, kPatience));
}

void add_hops(Samples& samples, const v1::Job& job, std::int64_t sent_unix, double to_result_us) {
  const auto us = [](std::int64_t from, std::int64_t to) {
    return static_cast<double>(to - from) / 1'000.0;
  };
  const double accepted = us(sent_unix, job.accepted_unix_ns());
  samples.add_us("hop: client -> accepted", accepted);
  samples.add_us("hop: accepted -> clone", us(0, job.launched_ns()));
  samples.add_us("hop: clone -> first ran", us(job.launched_ns(), job.first_ran_ns()));
  samples.add_us("hop: first ran -> exited", us(job.first_ran_ns(), job.main_exited_ns()));
  samples.add_us("hop: exited -> ended", us(job.main_exited_ns(), job.ended_ns()));
  samples.add_us("hop: ended -> client", to_result_us - accepted - us(0, job.ended_ns()));
  samples.add_us("tariff: place -> first ran", accepted + us(0, job.first_ran_ns()));
  samples.add_us("tariff: place -> result", to_result_us);
}

asio::awaitable<void> one_by_agent(Agent agent, Samples& samples) {
  co_await rest();
  const auto sent_unix = unix_ns();
  const auto sent = Clock::now();
  const auto job = co_await run_once(agent);
  const std::chrono::duration<double, std::micro> took = Clock::now() - sent;
  add_hops(samples, job, sent_unix, took.count());
  co_await acknowledge(agent, job.id());
}

template <typename Action>
asio::awaitable<void> timed(Samples& samples, const char* name, Action action) {
  co_await rest();
  const auto start = Clock::now();
  need(action());
  samples.add(name, Clock::now() - start);
}

asio::awaitable<void> slow_ones(Samples& samples, TransientUnits& units, const Options& options,
                                int round) {
  co_await timed(samples, "systemd-run --scope", [] {
    return run_client({"systemd-run", "--scope", "-q", kProgram});
  });
  co_await timed(samples, "systemd-run --wait", [] {
    return run_client({"systemd-run", "--wait", "--collect", "-q", kProgram});
  });
  co_await timed(samples, "systemd-run --version", [] {
    return run_client({"systemd-run", "--version"});
  });
  co_await timed(samples, "StartTransientUnit", [&] { return units.run(kProgram); });
  co_await timed(samples, "crun run", [&] {
    return run_client({"crun", "run", "--bundle", options.bundle,
                       "bench-" + std::to_string(round)});
  });
}

/// Jobs per second with kAtOnce calls under way.
asio::awaitable<double> sustained(Agent agent) {
  int done = 0;
  const auto start = Clock::now();
  const auto end = start + kSustained;
  const auto caller = [&]() -> asio::awaitable<void> {
    while (Clock::now() < end) {
      const auto job = co_await run_once(agent);
      co_await acknowledge(agent, job.id());
      ++done;
    }
  };
  int left = kAtOnce;
  for (int index = 1; index < kAtOnce; ++index)
    asio::co_spawn(co_await asio::this_coro::executor,
                   [&]() -> asio::awaitable<void> {
                     co_await caller();
                     --left;
                   }, asio::detached);
  co_await caller();
  --left;
  while (left > 0) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  const std::chrono::duration<double> took = Clock::now() - start;
  co_return done / took.count();
}

double sustained_spawns() {
  int done = 0;
  const auto start = Clock::now();
  while (Clock::now() < start + kSustained) {
    need(spawn_with_pipes(kProgram));
    ++done;
  }
  const std::chrono::duration<double> took = Clock::now() - start;
  return done / took.count();
}

asio::awaitable<void> measure(asio::io_context& io, const Options& options) {
  auto agent = need(co_await ipc::Client::connect(io, kSocket, kPatience));
  auto units = need(TransientUnits::connect());
  Samples warm_up;
  for (int round = 0; round < kWarmUp; ++round) {
    co_await one_by_agent(agent, warm_up);
    need(spawn_with_pipes(kProgram));
  }
  Samples samples;
  for (int round = 0; round < options.rounds; ++round) {
    co_await one_by_agent(agent, samples);
    co_await timed(samples, "posix_spawn", [] { return spawn_with_pipes(kProgram); });
    if (round % options.slow_every == 0) co_await slow_ones(samples, *units, options, round);
  }
  for (int block = 0; block < kSustainedBlocks; ++block) {
    samples.add_us("rate: tariff", co_await sustained(agent));
    samples.add_us("rate: posix_spawn", sustained_spawns());
  }
  nlohmann::json out = {{"rounds", options.rounds}, {"samples", samples.values()}};
  std::puts(out.dump().c_str());
  co_await agent->stop();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: launch ROUNDS SLOW_EVERY CRUN_BUNDLE\n", stderr);
    return 2;
  }
  const Options options{std::atoi(argv[1]), std::atoi(argv[2]), argv[3]};
  if (options.rounds < 1 || options.slow_every < 1) return 2;
  asio::io_context io;
  asio::co_spawn(io, measure(io, options), [](std::exception_ptr problem) {
    if (problem) std::rethrow_exception(problem);
  });
  io.run();
  return 0;
}
