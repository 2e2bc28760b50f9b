// SPDX-License-Identifier: Apache-2.0
#include "launcher/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <memory>

namespace tariff::launcher {
namespace {

// Enough for paths and small buffers; locked memory is not wasted on 8 MiB defaults.
constexpr std::size_t kStackBytes = 256 << 10;

void lower_to_worker() {
  sched_param now{};
  if (::sched_getscheduler(0) != SCHED_FIFO || ::sched_getparam(0, &now) < 0) return;
  if (now.sched_priority <= kWorkerPriority) return;
  const sched_param wanted{kWorkerPriority};
  (void)::sched_setscheduler(0, SCHED_FIFO, &wanted);
}

}  // namespace

Result<Workers*> Workers::start(const char* name, int threads, Priority priority) {
  auto* workers = new Workers;
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int index = 0; index < threads; ++index) {
    auto* body = new std::function<void()>([=] { workers->work(name, priority); });
    pthread_t thread;
    const int error = ::pthread_create(&thread, &attributes, [](void* argument) -> void* {
      const std::unique_ptr<std::function<void()>> own(
          static_cast<std::function<void()>*>(argument));
      (*own)();
      return nullptr;
    }, body);
    if (error != 0) return errno_error(std::string("cannot start thread ") + name, error);
  }
  ::pthread_attr_destroy(&attributes);
  return workers;
}

void Workers::run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

bool Workers::idle() {
  const std::lock_guard lock(mutex_);
  return tasks_.empty() && running_ == 0;
}

void Workers::work(const char* name, Priority priority) {
  ::pthread_setname_np(::pthread_self(), name);
  sigset_t all;
  ::sigfillset(&all);  // signals are the main thread's; also none hits a child before its exec
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  if (priority == Priority::AsWorker) lower_to_worker();
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !tasks_.empty(); });
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    ++running_;
    lock.unlock();
    task();
    task = nullptr;  // what it held is let go before it counts as done
    lock.lock();
    --running_;
  }
}

}  // namespace tariff::launcher
