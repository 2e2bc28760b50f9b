// SPDX-License-Identifier: Apache-2.0
#include "agent/worker.h"

#include <pthread.h>
#include <sched.h>

namespace tariff::agent {

Worker::Worker(asio::io_context& io, int fifo_priority)
    : io_(io), thread_([this, fifo_priority] { loop(fifo_priority); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Worker::add(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void Worker::loop(int fifo_priority) {
  ::pthread_setname_np(::pthread_self(), "worker");
  // Below the loop, above every job. Where the unit gives no SCHED_FIFO (a test), none is wanted.
  int policy = SCHED_OTHER;
  sched_param parameters{};
  if (::pthread_getschedparam(::pthread_self(), &policy, &parameters) == 0 &&
      policy == SCHED_FIFO) {
    parameters.sched_priority = fifo_priority;
    (void)::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &parameters);
  }
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it owns goes before the next wait
    lock.lock();
  }
}

}  // namespace tariff::agent
