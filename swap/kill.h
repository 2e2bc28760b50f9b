// SPDX-License-Identifier: Apache-2.0
// The last resort. A job is killed only when moving memory out cannot help (no swap, swap full, or
// slower than memory is taken; or what is left is mlocked or excluded from swap) *and* it cannot
// wait: memory is critical, or a higher class has suffered for Settings::kill_patience. One at a
// time: who is dying already is waited for, and its memory counted.
// The lowest class first; within it whoever took the memory (culprit), then the job that would run
// last (bystander).
// Threading: pure functions.
#pragma once

#include <optional>

#include "swap/model.h"
#include "swap/need.h"

namespace tariff::swap {

/// zram that sets free less than this of each byte is as good as full: 1 in 10.
constexpr double kLeastGain = 0.1;

/// `nothing_left`: no candidate can leave now or later, and none is leaving.
std::optional<KillCause> why_swap_cannot_help(const Snapshot& snapshot, const Settings& settings,
                                              bool nothing_left);

/// It took at least its share of what all jobs that grow take.
Role role_of(const Snapshot& snapshot, const JobView& job);

/// Can the need not wait for anything else?
bool cannot_wait(const Snapshot& snapshot, const Settings& settings, const Need& need);

std::optional<Action> choose_kill(const Snapshot& snapshot, const Settings& settings,
                                  const Need& need, bool nothing_left);

}  // namespace tariff::swap
