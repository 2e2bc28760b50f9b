// SPDX-License-Identifier: Apache-2.0
// Which events `tariffctl events` shows: filters, and after the agent was away only what is new.
// Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>

#include "ipc/proto/agent.pb.h"

namespace tariff::ctl {

struct EventFilter {
  std::string price_class;  ///< empty: all
  std::string function;
  [[nodiscard]] bool takes(const v1::Job& job) const;
};

/// Remembers what was last said of each job, so that the snapshot after a lost connection tells
/// only what has changed meanwhile. Of ended jobs the last 4,096 are remembered.
class EventHistory {
 public:
  /// True if the job's state is news.
  bool news(const v1::Job& job);

 private:
  std::unordered_map<std::string, v1::JobState> states_;
  std::deque<std::string> ended_;
};

}  // namespace tariff::ctl
