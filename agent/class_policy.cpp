// SPDX-License-Identifier: Apache-2.0
#include "agent/class_policy.h"

namespace tariff::agent {
namespace {

// oom_score_adj of the lowest and of the highest class. Even the highest stays above 0, so that
// the kernel, if it ever has to choose, prefers any job to any process of the host.
constexpr int kOomLowest = 1000;
constexpr int kOomHighest = 200;

}  // namespace

ClassKnobs knobs_of(const config::PriceClass& price_class, int classes,
                    config::CpuEnforcement enforcement) {
  ClassKnobs knobs;
  knobs.fifo = enforcement == config::CpuEnforcement::Fifo;
  knobs.round_robin = knobs.fifo && price_class.round_robin;
  knobs.priority = knobs.fifo ? price_class.fifo_priority : 0;
  const int steps = classes > 1 ? classes - 1 : 1;
  knobs.oom_score_adj = kOomLowest - (price_class.rank - 1) * (kOomLowest - kOomHighest) / steps;
  return knobs;
}

const config::PriceClass* find_class(const config::NodeConfig& config, const std::string& name) {
  for (const auto& price_class : config.classes)
    if (price_class.name == name) return &price_class;
  return nullptr;
}

}  // namespace tariff::agent
