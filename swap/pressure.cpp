// SPDX-License-Identifier: Apache-2.0
#include "swap/pressure.h"

#include <algorithm>

namespace tariff::swap {
namespace {

/// A counter that went back belongs to a cgroup that was made anew.
bool went_back(const PressureSample& before, const PressureSample& after) {
  return after.now < before.now || after.waited < before.waited || after.cpu < before.cpu ||
         after.faulted_in < before.faulted_in || after.direct_reclaims < before.direct_reclaims;
}

}  // namespace

Duration wait_that_counts(const PressureSample& before, const PressureSample& after) {
  const bool faulted = after.faulted_in > before.faulted_in;
  const bool reclaimed =
      after.direct_reclaims > before.direct_reclaims && after.cpu > before.cpu;
  if (!faulted && !reclaimed) return Duration(0);
  const auto own = std::max(Duration(0), after.waited_at_own_limit - before.waited_at_own_limit);
  return std::max(Duration(0), after.waited - before.waited - own);
}

void PressureMeter::sample(const PressureSample& sample) {
  if (!last_ || went_back(*last_, sample)) {
    last_ = sample;
    return;
  }
  const auto period = sample.now - last_->now;
  if (period < settings_.shortest) return;
  const std::chrono::duration<double> waited = wait_that_counts(*last_, sample);
  share_ = waited / std::chrono::duration<double>(period);
  last_ = sample;
  judge(sample.now);
}

void PressureMeter::judge(Time now) {
  if (share_ >= settings_.enter && !suffers_) {
    suffers_ = true;
    since_ = now;
  }
  if (share_ >= settings_.leave) calm_since_.reset();
  else if (!calm_since_) calm_since_ = now;
  if (suffers_ && calm_since_ && now - *calm_since_ >= settings_.calm) suffers_ = false;
}

}  // namespace tariff::swap
