// SPDX-License-Identifier: Apache-2.0
// Workers: threads for what may block, so that the main thread never does. A task that hangs holds
// up only its own thread. All run above every class (design: workers at 56), else a starved worker
// that holds a lock would stop the main thread. Threads live as long as the process.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "base/result.h"

namespace tariff::launcher {

/// SCHED_FIFO priorities of design.md, used only where the process itself is SCHED_FIFO.
constexpr int kWorkerPriority = 56;
constexpr int kBoostPriority = 54;  ///< of dying jobs: a starved job cannot be killed otherwise

class Workers {
 public:
  enum class Priority { AsProcess, AsWorker };

  /// `name` shows in ps (at most 15 characters).
  static Result<Workers*> start(const char* name, int threads, Priority priority);

  void run(std::function<void()> task);
  /// Nothing waits or is being done.
  [[nodiscard]] bool idle();

 private:
  Workers() = default;
  void work(const char* name, Priority priority);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  int running_ = 0;
};

}  // namespace tariff::launcher
