// SPDX-License-Identifier: Apache-2.0
#include "scheduler/idle_list.h"

#include <algorithm>
#include <utility>

namespace tariff::scheduler {

bool IdleList::better(const Entry& one, const Entry& other) const {
  const auto jobs = one.report.jobs.total();
  const auto others = other.report.jobs.total();
  if (settings_.order == IdleOrder::SmallestQueue && jobs != others) return jobs < others;
  if (one.report.free != other.report.free) return one.report.free > other.report.free;
  if (jobs != others) return jobs < others;
  return one.report.machine < other.report.machine;
}

void IdleList::swap_entries(std::size_t one, std::size_t other) {
  std::swap(heap_[one], heap_[other]);
  places_[heap_[one].report.machine] = one;
  places_[heap_[other].report.machine] = other;
}

bool IdleList::rise(std::size_t at) {
  bool moved = false;
  while (at > 0 && better(heap_[at], heap_[(at - 1) / 2])) {
    swap_entries(at, (at - 1) / 2);
    at = (at - 1) / 2;
    moved = true;
  }
  return moved;
}

void IdleList::sink(std::size_t at) {
  while (true) {
    std::size_t best = at;
    for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child)
      if (better(heap_[child], heap_[best])) best = child;
    if (best == at) return;
    swap_entries(at, best);
    at = best;
  }
}

void IdleList::settle(std::size_t at) {
  if (!rise(at)) sink(at);
}

void IdleList::erase(std::size_t at) {
  const std::size_t last = heap_.size() - 1;
  if (at != last) swap_entries(at, last);
  places_.erase(heap_.back().report.machine);
  heap_.pop_back();
  if (at < heap_.size()) settle(at);
}

void IdleList::expire(Time now) {
  if (!settings_.lifetime) return;
  while (!expiries_.empty() && now - expiries_.front().reported >= *settings_.lifetime) {
    const auto oldest = expiries_.front();
    expiries_.pop_front();
    const auto place = places_.find(oldest.machine);
    if (place != places_.end() && heap_[place->second].reported == oldest.reported)
      erase(place->second);
  }
}

bool IdleList::offer(const MachineReport& report, Time now) {
  auto [seen, first] = epochs_.try_emplace(report.machine, report.epoch);
  if (!first && seen->second > report.epoch) return false;
  seen->second = report.epoch;
  const auto [place, added] = places_.try_emplace(report.machine, heap_.size());
  if (added) heap_.push_back({report, now});
  else heap_[place->second] = {report, now};
  settle(place->second);
  if (settings_.lifetime) expiries_.push_back({report.machine, now});
  return true;
}

void IdleList::withdraw(MachineId machine, std::uint64_t epoch) {
  auto [seen, first] = epochs_.try_emplace(machine, epoch);
  if (!first && seen->second > epoch) return;
  seen->second = epoch;
  const auto place = places_.find(machine);
  if (place != places_.end()) erase(place->second);
}

void IdleList::forget(MachineId machine) {
  epochs_.erase(machine);
  const auto place = places_.find(machine);
  if (place != places_.end()) erase(place->second);
}

std::optional<MachineId> IdleList::take(int rank, Bytes expected, Time now) {
  expire(now);
  if (heap_.empty()) return std::nullopt;
  auto& report = heap_.front().report;
  const auto machine = report.machine;
  report.jobs.add(rank);
  report.free -= std::min(report.free, expected);
  const bool used_up = report.free <= settings_.least_free ||
                       (settings_.drop_at_jobs && report.jobs.total() >= *settings_.drop_at_jobs);
  if (used_up) erase(0);
  else sink(0);
  return machine;
}

std::size_t IdleList::size(Time now) {
  expire(now);
  return heap_.size();
}

const MachineReport* IdleList::find(MachineId machine) const {
  const auto place = places_.find(machine);
  return place == places_.end() ? nullptr : &heap_[place->second].report;
}

}  // namespace tariff::scheduler
