// SPDX-License-Identifier: Apache-2.0
#include "launcher/loop.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace tariff::launcher {
namespace {

constexpr int kBatch = 64;
constexpr int kSettlePollMs = 5;  // for work that ends without posting
constexpr Nanos kNanosPerMilli = 1'000'000;
constexpr Nanos kLongestWaitMs = 60'000;

std::uint64_t key_of(int fd, std::uint32_t generation) {
  return (static_cast<std::uint64_t>(generation) << 32) | static_cast<std::uint32_t>(fd);
}

/// Rounded up: waking early would only mean to wait again.
int wait_ms(std::optional<Nanos> due, Nanos now) {
  if (!due) return static_cast<int>(kLongestWaitMs);
  const Nanos left = *due - now;
  if (left <= 0) return 0;
  return static_cast<int>(std::min((left + kNanosPerMilli - 1) / kNanosPerMilli, kLongestWaitMs));
}

}  // namespace

Nanos monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Result<Loop*> Loop::make() {
  auto* loop = new Loop;
  loop->epoll_ = Fd::adopt(::epoll_create1(EPOLL_CLOEXEC));
  loop->wakeup_ = Fd::adopt(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->epoll_ || !loop->wakeup_) return errno_error("cannot make an event loop", errno);
  if (auto done = loop->watch(loop->wakeup_.get(), EPOLLIN, [loop](std::uint32_t) {
        loop->run_posted();
      }); !done)
    return std::move(done).error();
  return loop;
}

Status Loop::watch(int fd, std::uint32_t events, Handler handler) {
  const std::uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key_of(fd, generation);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
    return errno_error("cannot watch a descriptor", errno);
  watched_[fd] = Watched{generation, std::move(handler)};
  return ok();
}

void Loop::change(int fd, std::uint32_t events) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key_of(fd, found->second.generation);
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::forget(int fd) {
  if (watched_.erase(fd) != 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  (void)!::write(wakeup_.get(), &one, sizeof one);
}

void Loop::run_posted() {
  std::uint64_t count = 0;
  (void)!::read(wakeup_.get(), &count, sizeof count);
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

bool Loop::settle(const std::function<bool()>& idle, Nanos deadline) {
  for (;;) {
    run_posted();
    // In this order: whoever is idle has posted what it had.
    if (idle()) {
      const std::lock_guard lock(mutex_);
      if (posted_.empty()) return true;
    }
    if (monotonic_now() >= deadline) return false;
    pollfd wanted{wakeup_.get(), POLLIN, 0};
    (void)::poll(&wanted, 1, kSettlePollMs);
  }
}

void Loop::dispatch(std::uint64_t key, std::uint32_t events) {
  const auto found = watched_.find(static_cast<int>(static_cast<std::uint32_t>(key)));
  if (found == watched_.end() || found->second.generation != key >> 32) return;
  const Handler handler = found->second.handler;  // a copy: it may forget its own descriptor
  handler(events);
}

void Loop::run(const std::function<std::optional<Nanos>()>& next_due,
               const std::function<void(Nanos now)>& on_due) {
  epoll_event events[kBatch];
  for (Nanos now = monotonic_now();; on_due(now)) {
    const int count = ::epoll_wait(epoll_.get(), events, kBatch, wait_ms(next_due(), now));
    for (int index = 0; index < count; ++index)
      dispatch(events[index].data.u64, events[index].events);
    now = monotonic_now();
  }
}

}  // namespace tariff::launcher
