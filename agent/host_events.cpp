// SPDX-License-Identifier: Apache-2.0
#include "agent/host_events.h"

#include <linux/netlink.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "base/fd.h"

namespace tariff::agent {
namespace {

constexpr const char* kCgroups = "/sys/fs/cgroup";
constexpr unsigned kKernelGroup = 1;  // the multicast group of the kernel's own uevents
constexpr std::size_t kLargestEvent = 8'192;  // the kernel's UEVENT_BUFFER_SIZE is 2048

/// Reads all that is there; whether any of it matters.
bool drain(int source, bool every) {
  std::array<char, kLargestEvent> buffer;
  bool matters = false;
  while (true) {
    const auto count = ::read(source, buffer.data(), buffer.size());
    // Lost events (ENOBUFS): any of them may have mattered.
    if (count < 0 && errno == ENOBUFS) matters = true;
    else if (count <= 0) return matters;
    else if (every || is_cpu_event({buffer.data(), static_cast<std::size_t>(count)}))
      matters = true;
  }
}

}  // namespace

bool is_cpu_event(std::string_view message) {
  const auto header = message.substr(0, message.find('\0'));
  const auto at = header.find("@/devices/system/cpu/cpu");
  return at != std::string_view::npos &&
         header.find('/', at + std::string_view("@/devices/system/cpu/").size()) ==
             std::string_view::npos;
}

HostEvents::HostEvents(asio::io_context& io, std::function<void()> tell)
    : tell_(std::move(tell)), uevents_(io), root_(io) {}

Status HostEvents::open() {
  Fd uevents = Fd::adopt(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                  NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (!uevents || ::bind(uevents.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return errno_error("cannot listen to the kernel's device events", errno);
  Fd root = Fd::adopt(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!root || ::inotify_add_watch(root.get(), kCgroups, IN_CREATE | IN_ONLYDIR) < 0)
    return errno_error("cannot watch " + std::string(kCgroups), errno);
  uevents_.assign(uevents.release());
  root_.assign(root.release());
  return ok();
}

asio::awaitable<Status> HostEvents::run() {
  using namespace asio::experimental::awaitable_operators;
  if (stopped_) co_return ok();
  if (auto opened = open(); !opened) co_return opened;
  co_await (watch(uevents_, false) && watch(root_, true));
  co_return ok();
}

asio::awaitable<void> HostEvents::watch(asio::posix::stream_descriptor& source, bool every) {
  while (source.is_open()) {
    auto [error] = co_await source.async_wait(asio::posix::stream_descriptor::wait_read,
                                              asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    if (drain(source.native_handle(), every)) tell_();
  }
}

void HostEvents::stop() {
  stopped_ = true;
  uevents_.close();
  root_.close();
}

}  // namespace tariff::agent
