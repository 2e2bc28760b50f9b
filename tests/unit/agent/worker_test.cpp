// SPDX-License-Identifier: Apache-2.0
#include "agent/worker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <future>

#include "support/catch.h"

using namespace tariff::agent;

TEST_CASE("work runs off the loop, in order, and its answer comes back on the loop") {
  asio::io_context io(1);
  Worker worker(io, 56);
  const auto loop = std::this_thread::get_id();
  std::vector<int> order;
  std::thread::id where;
  std::thread::id resumed;
  const auto ask = [&](int number) -> asio::awaitable<void> {
    const auto work = [&, number] {
      where = std::this_thread::get_id();
      order.push_back(number);
      return number * 2;
    };
    const int answer = co_await worker.run(work);
    resumed = std::this_thread::get_id();
    CHECK(answer == number * 2);
  };
  for (int number = 1; number <= 3; ++number) asio::co_spawn(io, ask(number), asio::detached);
  io.run();
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(where != loop);
  CHECK(resumed == loop);
}

TEST_CASE("what the work captured is its own, also a short text that lives in the closure") {
  asio::io_context io(1);
  Worker worker(io, 56);
  std::string got;
  const auto ask = [&](std::string text) -> asio::awaitable<void> {
    const auto work = [text, other = text] { return text + other; };
    got = co_await worker.run(work);
  };
  asio::co_spawn(io, ask("short"), asio::detached);
  io.run();
  CHECK(got == "shortshort");
}

TEST_CASE("the loop goes on while work blocks") {
  asio::io_context io(1);
  Worker worker(io, 56);
  std::promise<void> release;
  bool finished = false;
  const auto block = [&]() -> asio::awaitable<void> {
    const auto work = [&] {
      release.get_future().wait();
      return true;
    };
    co_await worker.run(work);
    finished = true;
  };
  asio::co_spawn(io, block(), asio::detached);
  asio::post(io, [&] { release.set_value(); });  // never, if the loop waited for the work
  io.run();
  CHECK(finished);
}

TEST_CASE("who goes away waits for the work under way and drops the rest") {
  asio::io_context io(1);
  std::promise<void> begun;
  std::promise<void> release;
  int done = 0;
  {
    Worker worker(io, 56);
    const auto ask = [&](bool first) -> asio::awaitable<void> {
      const auto work = [&, first] {
        if (first) {
          begun.set_value();
          release.get_future().wait();
        }
        return ++done;
      };
      co_await worker.run(work);
    };
    asio::co_spawn(io, ask(true), asio::detached);
    asio::co_spawn(io, ask(false), asio::detached);
    io.poll();
    begun.get_future().wait();
    // The second is dropped only if it has not begun, so the first is let go from another thread.
    std::thread helper([&] { release.set_value(); });
    helper.join();
  }
  CHECK(done >= 1);
}
