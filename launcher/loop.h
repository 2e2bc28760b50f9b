// SPDX-License-Identifier: Apache-2.0
// Loop: epoll for the launcher's main thread, which never blocks. Whatever may block (every cgroup
// operation, clone3, mounts) runs on Workers and comes back by post().
// Threading: post() and stop() from any thread, the rest from the thread that runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "launcher/job_record.h"

namespace tariff::launcher {

/// CLOCK_MONOTONIC in nanoseconds.
Nanos monotonic_now();

class Loop {
 public:
  using Handler = std::function<void(std::uint32_t events)>;

  static Result<Loop*> make();  ///< lives as long as the process

  /// Calls `handler` for EPOLL* events of a descriptor that the caller owns and forgets first.
  Status watch(int fd, std::uint32_t events, Handler handler);
  /// Other events from now on; 0 = only errors and hang-ups.
  void change(int fd, std::uint32_t events);
  /// No call any more, not even one that is already fetched. Fine for a number not watched.
  void forget(int fd);

  void post(std::function<void()> task);
  /// Runs posted tasks alone, no events, until `idle()` says that no more will come, or until
  /// `deadline`. False: it was not reached. Not from within a task: those behind it would wait.
  bool settle(const std::function<bool()>& idle, Nanos deadline);
  /// `next_due` says when `on_due` wants to be called.
  void run(const std::function<std::optional<Nanos>()>& next_due,
           const std::function<void(Nanos now)>& on_due);

 private:
  struct Watched {
    std::uint32_t generation = 0;  // a number may be closed and given again within one batch
    Handler handler;
  };
  Loop() = default;
  void run_posted();
  void dispatch(std::uint64_t key, std::uint32_t events);

  Fd epoll_;
  Fd wakeup_;
  std::uint32_t next_generation_ = 1;
  std::unordered_map<int, Watched> watched_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace tariff::launcher
