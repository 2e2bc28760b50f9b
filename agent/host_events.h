// SPDX-License-Identifier: Apache-2.0
// Tells when the CPU plan may have to be made again: a CPU went online or offline (the kernel's
// uevents), or a cgroup appeared directly below the root, such as machine.slice with the first
// container. Nothing is polled; without such events it costs nothing.
//
//   HostEvents events(io, [this] { look_at_the_cpus(); });
//   co_await events.run();    // until stop()
//
// Threading: the io_context's one thread. Errors: run() ends with one, and then nothing is told.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace tariff::agent {

namespace asio = boost::asio;

/// Whether a uevent is about a CPU: "online@/devices/system/cpu/cpu1" and what follows a NUL.
bool is_cpu_event(std::string_view message);

class HostEvents {
 public:
  HostEvents(asio::io_context& io, std::function<void()> tell);

  asio::awaitable<Status> run();
  void stop();

 private:
  Status open();
  asio::awaitable<void> watch(asio::posix::stream_descriptor& source, bool every);

  std::function<void()> tell_;
  asio::posix::stream_descriptor uevents_;
  asio::posix::stream_descriptor root_;
  bool stopped_ = false;
};

}  // namespace tariff::agent
