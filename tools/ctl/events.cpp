// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/events.h"

namespace tariff::ctl {
namespace {

constexpr std::size_t kEndedRemembered = 4'096;

}  // namespace

bool EventFilter::takes(const v1::Job& job) const {
  return (price_class.empty() || job.class_run() == price_class) &&
         (function.empty() || job.function() == function);
}

bool EventHistory::news(const v1::Job& job) {
  const auto [place, added] = states_.emplace(job.id(), job.state());
  if (!added && place->second == job.state()) return false;
  place->second = job.state();
  if (job.state() != v1::JOB_STATE_ENDED) return true;
  ended_.push_back(job.id());
  if (ended_.size() > kEndedRemembered) {
    states_.erase(ended_.front());
    ended_.pop_front();
  }
  return true;
}

}  // namespace tariff::ctl
