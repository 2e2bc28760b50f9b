// SPDX-License-Identifier: Apache-2.0
#include "sim/edf_machine.h"

#include <algorithm>

#include "base/check.h"

namespace tariff::sim {
namespace {

constexpr auto kEarlier = [](const auto& one, const auto& other) {
  return one.deadline != other.deadline ? one.deadline < other.deadline : one.id < other.id;
};
constexpr auto kLater = [](const auto& one, const auto& other) { return kEarlier(other, one); };

}  // namespace

void EdfMachine::set_up(const MachineContext& context, std::vector<double> slack) {
  context_ = context;
  slack_ = std::move(slack);
  ends_.set_up(context.cores);
  busy_.set_up(context.cores, context.busy);
}

EdfMachine::Due EdfMachine::due(JobIndex index) const {
  const auto& its = (*context_.jobs)[index];
  const double allowed = static_cast<double>(its.runtime) * slack_[its.rank - 1U];
  return {its.arrived + static_cast<Nanos>(allowed), its.id, index};
}

bool EdfMachine::stale(const Due& entry) const {
  const auto& its = (*context_.jobs)[entry.job];
  return its.id != entry.id || its.state != kRunning;
}

void EdfMachine::start(const Due& entry, Nanos now) {
  auto& its = (*context_.jobs)[entry.job];
  busy_.until(now, static_cast<double>(ends_.size()));
  its.state = kRunning;
  ends_.add(*context_.jobs, now + its.remaining, entry.job);
  if (running_.size() > 2 * static_cast<std::size_t>(context_.cores)) {
    std::erase_if(running_, [this](const Due& other) { return stale(other); });
    std::make_heap(running_.begin(), running_.end(), kEarlier);
  }
  running_.push_back(entry);
  std::push_heap(running_.begin(), running_.end(), kEarlier);
}

void EdfMachine::wait(const Due& entry) {
  (*context_.jobs)[entry.job].state = kWaiting;
  waiting_.push_back(entry);
  std::push_heap(waiting_.begin(), waiting_.end(), kLater);
}

void EdfMachine::place(JobIndex index, Nanos now, Nanos) {
  on_.add((*context_.jobs)[index].rank);
  const Due its = due(index);
  if (ends_.size() < context_.cores) return start(its, now);
  while (stale(running_.front())) {
    std::pop_heap(running_.begin(), running_.end(), kEarlier);
    running_.pop_back();
  }
  const Due latest = running_.front();
  if (!kEarlier(its, latest)) return wait(its);
  busy_.until(now, static_cast<double>(ends_.size()));
  std::pop_heap(running_.begin(), running_.end(), kEarlier);
  running_.pop_back();
  auto& preempted = (*context_.jobs)[latest.job];
  preempted.remaining = ends_.time_of(*context_.jobs, latest.job) - now;
  ends_.remove(*context_.jobs, latest.job);
  wait(latest);
  start(its, now);
  if (kChecking) check();
}

void EdfMachine::advance(Nanos to) {
  while (!ends_.empty() && ends_.first().at <= to) {
    const auto end = ends_.first();
    busy_.until(end.at, static_cast<double>(ends_.size()));
    ends_.remove(*context_.jobs, end.job);
    auto& its = (*context_.jobs)[end.job];
    on_.remove(its.rank);
    context_.sink->finished(its, end.at, its.runtime, context_.id);
    context_.jobs->remove(end.job);
    if (waiting_.empty()) continue;
    const Due next = waiting_.front();
    std::pop_heap(waiting_.begin(), waiting_.end(), kLater);
    waiting_.pop_back();
    start(next, end.at);
    if (kChecking) check();
  }
}

void EdfMachine::close(Nanos end) {
  advance(end);
  busy_.until(end, static_cast<double>(ends_.size()));
}

void EdfMachine::check() const {
  TARIFF_CHECK(on_.total() == ends_.size() + waiting_.size(), "no job is lost");
  TARIFF_CHECK(waiting_.empty() || ends_.size() == context_.cores, "a core idles and a job waits");
  if (waiting_.empty()) return;
  for (const auto& entry : running_)
    TARIFF_CHECK(stale(entry) || kEarlier(entry, waiting_.front()), "a later deadline runs");
}

}  // namespace tariff::sim
