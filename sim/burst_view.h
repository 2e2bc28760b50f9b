// SPDX-License-Identifier: Apache-2.0
// The burst, drawn in a terminal: p99 slowdown by class and arrival tick, one system beside the
// other, so that the idea shows in one look.
// Threading: pure.
#pragma once

#include <string>
#include <vector>

#include "sim/batch.h"

namespace tariff::sim {

struct BurstLook {
  int width = 100;       ///< columns of the terminal
  bool colour = false;
};

/// `runs`: one a system, of one seed, with all jobs kept.
std::string draw_burst(const Experiment& experiment, const std::vector<RunSummary>& runs,
                       const BurstLook& look);

}  // namespace tariff::sim
