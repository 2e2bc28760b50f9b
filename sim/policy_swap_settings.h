// SPDX-License-Identifier: Apache-2.0
// The swap device and the machine's paging behaviour under swap/policy (sim/policy_swap.h).
// Units: megabytes per second, shares. Threading: plain values.
#pragma once

#include <cstdint>

#include "swap/headroom.h"
#include "swap/model.h"

namespace tariff::sim {

struct PolicySwapSettings {
  swap::Mode mode = swap::Mode::Swap;
  swap::Settings settings;
  swap::HeadroomSettings headroom;
  /// A current NVMe drive writes and reads 2 GB/s and more; 0: moving takes no time.
  double out_speed = 2'000;
  double in_speed = 2'000;
  double swap_size = 1'000'000;  ///< MB
  /// How long a tick is for the policy and the device. With 10 the same jobs take ten times as long
  /// and grow at a tenth of the rate; nothing else in a run knows seconds.
  double tick_seconds = 1;
  double hot = 0.5;              ///< part of a job's memory that it touches all the time
  std::int64_t step = 50'000'000;  ///< ns between two looks at the machine's memory at least
};

}  // namespace tariff::sim
