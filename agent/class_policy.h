// SPDX-License-Identifier: Apache-2.0
// What a price class means to the kernel: scheduling policy and priority, OOM score, the name of
// its cgroup. Pure: a function of the configuration alone.
#pragma once

#include <string>

#include "config/schema.h"

namespace tariff::agent {

struct ClassKnobs {
  bool fifo = true;           ///< SCHED_FIFO (or SCHED_RR), else SCHED_OTHER
  bool round_robin = false;   ///< SCHED_RR instead of SCHED_FIFO
  int priority = 0;           ///< FIFO priority; 0 with SCHED_OTHER
  int oom_score_adj = 0;      ///< the kernel kills the highest first: lowest class = 1000
};

/// `classes` = how many there are in all.
ClassKnobs knobs_of(const config::PriceClass& price_class, int classes,
                    config::CpuEnforcement enforcement);

/// The class of that name, or null.
const config::PriceClass* find_class(const config::NodeConfig& config, const std::string& name);

}  // namespace tariff::agent
