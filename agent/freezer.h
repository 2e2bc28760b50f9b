// SPDX-License-Identifier: Apache-2.0
// Freezes and thaws jobs for whoever asks (today an administrator, later the swapper), with the
// request before the raise (cgroup/boost.h), and puts right what a killed agent left half-done.
// A frozen job keeps its memory and its place, uses no CPU, and its timeout stands still; it can
// be cancelled. It stays frozen across restarts of the agent: the kernel's cgroup.freeze is the
// truth, and is read back by recover().
// Threading: the io_context's one thread; what may block runs on the worker.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/jobs.h"
#include "agent/worker.h"
#include "base/result.h"
#include "cgroup/boost.h"
#include "config/schema.h"

namespace tariff::agent {

class Freezer {
 public:
  Freezer(Worker& worker, Jobs& jobs) : worker_(worker), jobs_(jobs) {}

  struct Frozen {
    bool already = false;
    cgroup::BoostReport report;
  };
  /// FailedPrecondition: the job has ended, is being started, or somebody else is at it.
  asio::awaitable<Result<Frozen>> freeze(const config::NodeConfig& config, std::string tree,
                                         std::string id);
  /// True: it was frozen.
  asio::awaitable<Result<bool>> thaw(const config::NodeConfig& config, std::string tree,
                                     std::string id);

  /// Looks at every leaf, once, before the agent serves anybody. Returns what is to be logged.
  asio::awaitable<std::vector<std::string>> recover(const config::NodeConfig& config,
                                                    std::string tree);

 private:
  struct Place {
    std::string directory;
    std::string leaf;
    cgroup::BoostOptions options;
  };
  [[nodiscard]] Result<Place> place_of(const config::NodeConfig& config, const std::string& tree,
                                       const std::string& id) const;

  Worker& worker_;
  Jobs& jobs_;
  std::set<std::string> busy_;  ///< ids that are being frozen or thawed
};

}  // namespace tariff::agent
