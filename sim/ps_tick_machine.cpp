// SPDX-License-Identifier: Apache-2.0
#include "sim/ps_tick_machine.h"

#include <algorithm>

#include "base/check.h"

namespace tariff::sim {

void PsTickMachine::set_up(const MachineContext& context) {
  context_ = context;
  busy_.set_up(context.cores, context.busy);
  cores_.resize(context.cores);
}

void PsTickMachine::place(JobIndex job, Nanos, Nanos) {
  const auto& its = (*context_.jobs)[job];
  shares_.push_back({its.runtime, job});
  on_.add(its.rank);
}

void PsTickMachine::run_tick() {
  const auto cores = static_cast<std::size_t>(context_.cores);
  const std::size_t jobs = shares_.size();
  for (std::size_t core = 0; core < cores; ++core) {
    const std::size_t dealt = jobs / cores + (core < jobs % cores ? 1 : 0);
    cores_[core] = {kTick, static_cast<Nanos>(dealt)};
  }
  std::size_t kept = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < jobs; ++i) {
    auto& core = cores_[at];
    if (++at == cores) at = 0;
    const Nanos share = core.jobs == 1 ? core.left : core.left / core.jobs;
    --core.jobs;
    const Nanos used = std::min(share, shares_[i].remaining);
    core.left -= used;
    shares_[i].remaining -= used;
    if (shares_[i].remaining > 0) {
      shares_[kept++] = shares_[i];
      continue;
    }
    const auto& its = (*context_.jobs)[shares_[i].job];
    on_.remove(its.rank);
    // The shares of a core are one after the other within the tick.
    context_.sink->finished(its, tick_ + (kTick - core.left), its.runtime, context_.id);
    context_.jobs->remove(shares_[i].job);
  }
  shares_.resize(kept);
  Nanos busy = 0;
  for (const auto& core : cores_) busy += kTick - core.left;
  tick_ += kTick;
  busy_.until(tick_, static_cast<double>(busy) / static_cast<double>(kTick));
  if (kChecking) TARIFF_CHECK(on_.total() == shares_.size(), "no job is lost");
}

}  // namespace tariff::sim
