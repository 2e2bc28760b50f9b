// SPDX-License-Identifier: Apache-2.0
// Serves the metrics page over HTTP, on loopback or a Unix socket, from a thread of its own.
//
// The thread is an ordinary one (SCHED_OTHER): it must never take a CPU from a job or from the
// agent's loop, and a scrape that waits is not an accident. It reads the class cgroups itself,
// since such a read can wait for a lock of the kernel's; of the loop it asks a copy of what only
// the loop knows. The two share two event descriptors and a lock-free exchange, so whatever
// scrapers do, the loop pays for at most five copies a second (docs/adr/0006-metrics.md).
//
// Bounds: 64 connections, the oldest gives way to a new one; 10 s and 8 KiB of request for each;
// one answer per connection.
//
// Threading: construct, run() and stop() on the loop's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "agent/metrics_snapshot.h"
#include "base/result.h"

namespace tariff::agent {

namespace asio = boost::asio;

class MetricsServer {
 public:
  /// `fill` runs on the loop.
  MetricsServer(asio::io_context& io, std::function<void(MetricsSnapshot&)> fill);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  /// `endpoint`: "127.0.0.1:9464", "[::1]:9464" or an absolute path.
  Status listen(const std::string& endpoint);

  /// The loop's half: makes copies when they are wanted, until stop(). Returns at once if nothing
  /// listens.
  asio::awaitable<void> run();
  void stop();

 private:
  struct Shared;
  asio::io_context& io_;
  std::function<void(MetricsSnapshot&)> fill_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace tariff::agent
