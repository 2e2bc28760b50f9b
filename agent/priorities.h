// SPDX-License-Identifier: Apache-2.0
// Keeps the order of priorities true while the agent runs: raises the kernel's pressure threads
// (agent/psimon.h), and checks that our own processes are in their bands (agent/bands.h). At start
// and every ten seconds, since a new pressure thread lowers itself when it first runs, and the
// launcher may have been started anew.
// Threading: the io_context's one thread; reading and raising is done on the worker.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>
#include <vector>

#include "agent/bands.h"
#include "agent/psimon.h"
#include "agent/worker.h"
#include "config/schema.h"

namespace tariff::agent {

class Priorities {
 public:
  Priorities(asio::io_context& io, Worker& worker, const config::NodeConfig& config)
      : worker_(worker), config_(config), timer_(io) {}

  /// Until stop(); then the pressure threads get back what they had.
  asio::awaitable<void> run();
  void stop();

  /// For the operator; each was logged when it came up.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// What was changed on the host: threads with what they had before.
  [[nodiscard]] const std::vector<RaisedThread>& raised() const { return raised_; }

 private:
  Worker& worker_;
  const config::NodeConfig& config_;
  asio::steady_timer timer_;
  std::vector<RaisedThread> raised_;
  std::vector<std::string> warnings_;
  bool stopping_ = false;
};

}  // namespace tariff::agent
