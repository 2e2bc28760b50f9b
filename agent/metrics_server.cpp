// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics_server.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "agent/class_cgroup.h"
#include "agent/machine.h"
#include "agent/metrics_http.h"
#include "agent/metrics_text.h"
#include "agent/snapshot_exchange.h"
#include "base/fd.h"
#include "ipc/socket.h"

namespace tariff::agent {
namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

void signal_event(const Fd& event) {
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then the other side is being told already.
  static_cast<void>(!::write(event.get(), &one, sizeof one));
}

/// Waits for the event and resets it; false when the wait was cancelled.
asio::awaitable<bool> next_event(asio::posix::stream_descriptor& event) {
  const auto [error] =
      co_await event.async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
  std::uint64_t count = 0;
  static_cast<void>(!::read(event.native_handle(), &count, sizeof count));
  co_return !error;
}

/// What is created from the agent's loop inherits its FIFO priority and its signals.
void become_ordinary_thread() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  ::pthread_setname_np(::pthread_self(), "metrics");
  const sched_param none{};
  static_cast<void>(::sched_setscheduler(0, SCHED_OTHER, &none));  // lowering is always allowed
}

std::string page_of(const MetricsSnapshot& snapshot) {
  std::vector<ClassCgroup> cgroups;
  for (const auto& row : snapshot.classes) cgroups.push_back(read_class_cgroup(row.directory));
  const auto memory = read_memory();
  return metrics_text(snapshot, cgroups, {memory.total, memory.available});
}

}  // namespace

/// Both threads': the exchange, the events, `stopping`. The serving thread's: the rest.
struct MetricsServer::Shared {
  explicit Shared(Fd listener)
      : wanted(Fd::adopt(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
        ready(Fd::adopt(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
        http(io, std::move(listener), [this] { signal_event(wanted); }) {}

  SnapshotExchange<MetricsSnapshot> exchange;
  Fd wanted;  ///< serving thread -> loop: a copy, please
  Fd ready;   ///< loop -> serving thread: here it is, or: stop
  std::atomic<bool> stopping{false};
  std::unique_ptr<asio::posix::stream_descriptor> wanted_watch;  ///< the loop's

  asio::io_context io{1};
  MetricsHttp http;
  std::thread thread;

  asio::awaitable<void> take_copies() {
    asio::posix::stream_descriptor watch(io, ready.get());
    for (;;) {
      const bool heard = co_await next_event(watch);
      if (!heard || stopping) break;
      http.put(page_of(exchange.newest()));
    }
    static_cast<void>(watch.release());
    io.stop();
  }

  void serve() {
    become_ordinary_thread();
    asio::co_spawn(io, take_copies(), asio::detached);
    http.start();
    io.run();
  }
};

MetricsServer::MetricsServer(asio::io_context& io, std::function<void(MetricsSnapshot&)> fill)
    : io_(io), fill_(std::move(fill)) {}

MetricsServer::~MetricsServer() {
  stop();
  if (shared_ && shared_->thread.joinable()) shared_->thread.join();
}

Status MetricsServer::listen(const std::string& endpoint) {
  Result<Fd> listener = Fd();
  if (endpoint.front() == '/') {
    listener = ipc::listen_on_unix(endpoint, 0660);
    // As the agent's own socket. Without the group it stays root's.
    if (const group* readers = ::getgrnam("tariff"); listener && readers != nullptr)
      static_cast<void>(!::chown(endpoint.c_str(), static_cast<uid_t>(-1), readers->gr_gid));
  } else {
    auto address = ipc::tcp_address(endpoint);
    if (!address) return std::move(address).error();
    listener = ipc::listen_on_tcp(*address);
  }
  if (!listener) return std::move(listener).error();
  if (auto prepared = ipc::prepare_listener(*listener); !prepared) return prepared;
  auto shared = std::make_unique<Shared>(std::move(*listener));
  if (!shared->wanted || !shared->ready) return errno_error("cannot make an event", errno);
  auto watched = shared->wanted.duplicate();
  if (!watched) return std::move(watched).error();
  shared->wanted_watch =
      std::make_unique<asio::posix::stream_descriptor>(io_, watched->release());
  shared_ = std::move(shared);
  shared_->thread = std::thread([both = shared_.get()] { both->serve(); });
  return ok();
}

asio::awaitable<void> MetricsServer::run() {
  while (shared_ && !shared_->stopping) {
    const bool asked = co_await next_event(*shared_->wanted_watch);
    if (!asked || shared_->stopping) co_return;
    fill_(shared_->exchange.back());
    shared_->exchange.publish();
    signal_event(shared_->ready);
  }
}

void MetricsServer::stop() {
  if (!shared_ || shared_->stopping.exchange(true)) return;
  boost::system::error_code ignored;
  shared_->wanted_watch->cancel(ignored);
  signal_event(shared_->ready);
}

}  // namespace tariff::agent
