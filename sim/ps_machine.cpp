// SPDX-License-Identifier: Apache-2.0
#include "sim/ps_machine.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tariff::sim {
namespace {

/// For std::push_heap: what ends later is "less".
constexpr auto kLater = [](const auto& one, const auto& other) {
  return one.service != other.service ? one.service > other.service : one.job > other.job;
};

}  // namespace

void PsMachine::set_up(const MachineContext& context) {
  context_ = context;
  busy_.set_up(context.cores, context.busy);
}

double PsMachine::rate() const {
  const auto jobs = static_cast<double>(ends_.size());
  return jobs <= context_.cores ? 1.0 : context_.cores / jobs;
}

void PsMachine::serve(Nanos now) {
  if (now == served_at_) return;
  busy_.until(now, std::min<double>(context_.cores, static_cast<double>(ends_.size())));
  service_ += static_cast<double>(now - served_at_) * rate();
  served_at_ = now;
}

void PsMachine::find_next() {
  next_ = kNever;
  if (ends_.empty()) return;
  const double left = std::max(0.0, ends_.front().service - service_);
  next_ = served_at_ + static_cast<Nanos>(std::ceil(left / rate()));
}

void PsMachine::run_events(Nanos to) {
  while (next_ <= to) {
    const Nanos now = next_;
    serve(now);
    std::pop_heap(ends_.begin(), ends_.end(), kLater);
    const End end = ends_.back();
    ends_.pop_back();
    const auto& its = (*context_.jobs)[end.job];
    on_.remove(its.rank);
    // The service's last bit may say a nanosecond too early.
    context_.sink->finished(its, std::max(now, its.arrived + its.runtime), its.runtime,
                            context_.id);
    context_.jobs->remove(end.job);
    find_next();
    if (kChecking) TARIFF_CHECK(on_.total() == ends_.size(), "no job is lost");
  }
}

void PsMachine::place(JobIndex job, Nanos now, Nanos) {
  serve(now);
  const auto& its = (*context_.jobs)[job];
  ends_.push_back({service_ + static_cast<double>(its.runtime), job});
  std::push_heap(ends_.begin(), ends_.end(), kLater);
  on_.add(its.rank);
  find_next();
}

void PsMachine::close(Nanos end) {
  advance(end);
  serve(end);
  busy_.until(end, 0);
}

}  // namespace tariff::sim
