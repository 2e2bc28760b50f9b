// SPDX-License-Identifier: Apache-2.0
// The one thread on which the agent does what may block: D-Bus calls to systemd, writes to control
// files. The loop awaits the answer and meanwhile serves others. Work runs in the order it was
// given.
//
//   auto ask = [this, unit] { return systemd_.call(...); };
//   auto group = co_await worker.run(ask);
//
// Threading: run() is called on the loop; the work must own what it touches, or touch only what the
// worker alone uses. The destructor waits for the work under way and drops what has not begun.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace tariff::agent {

namespace asio = boost::asio;

class Worker {
 public:
  /// `fifo_priority`: of the thread, if the process runs under SCHED_FIFO itself
  /// (FifoBands::workers).
  Worker(asio::io_context& io, int fifo_priority);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// Runs `work` on the thread and resumes the caller on the loop with what it returned (not void).
  /// A copy of it is run. It must have a name: within a co_await, GCC 12 copies the captures of a
  /// temporary byte by byte and destroys them twice, so that a short std::string crashes.
  template <typename Work>
  asio::awaitable<std::invoke_result_t<Work&>> run(Work& work) {
    using Answer = std::invoke_result_t<Work&>;
    struct Call {
      Call(asio::io_context& io, const Work& what)
          : work(what), done(io, asio::steady_timer::time_point::max()) {}
      std::decay_t<Work> work;
      std::optional<Answer> answer;
      asio::steady_timer done;
    };
    auto call = std::make_shared<Call>(io_, work);
    add([this, call] {
      call->answer.emplace(call->work());
      asio::post(io_, [call] { call->done.cancel(); });
    });
    co_await call->done.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return std::move(*call->answer);
  }

 private:
  void add(std::function<void()> work);
  void loop(int fifo_priority);

  asio::io_context& io_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tariff::agent
