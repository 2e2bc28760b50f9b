// SPDX-License-Identifier: Apache-2.0
#include "scheduler/shard.h"

#include <algorithm>

namespace tariff::scheduler {

std::optional<Attempt> Shard::begin(Time now) {
  if (queue_.empty()) return std::nullopt;
  const auto waiting = queue_.pop(now, allowed(now));
  if (!waiting) return std::nullopt;
  Attempt attempt{*waiting, std::nullopt};
  if (settings_.use_idle_list)
    attempt.from_idle_list = idle_.take(waiting->rank, settings_.expected_memory, now);
  return attempt;
}

std::span<const MachineId> Shard::whom_to_poll(Random& random) {
  sample(machines_, settings_.use_idle_list ? settings_.k_after_empty_list : settings_.k, random,
         polled_);
  return polled_;
}

void Shard::refused(const Attempt& attempt, Time now) {
  queue_.put_back(attempt.waiting);
  rests_until_[index_of(attempt.waiting.rank)] = now + settings_.retry_pause;
}

std::optional<Time> Shard::next_try(Time now) const {
  std::optional<Time> next;
  for (std::size_t i = 0; i < settings_.classes.size(); ++i) {
    const auto until = rests_until_[i];
    if (until > now && queue_.size(static_cast<int>(i) + 1) > 0)
      next = std::min(next.value_or(until), until);
  }
  return next;
}

std::uint32_t Shard::allowed(Time now) const {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < settings_.classes.size(); ++i)
    if (rests_until_[i] <= now) bits |= 1U << i;
  return bits;
}

}  // namespace tariff::scheduler
