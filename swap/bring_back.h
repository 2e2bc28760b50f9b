// SPDX-License-Identifier: Apache-2.0
// Who comes back in, and when: there is room for its whole size and a margin, no class at or above
// its own suffers, and *it will run*: fewer runnable jobs of its class or above than class CPUs.
// The highest class first, within a class first come first served, one at a time. One that does
// not fit may see at most Settings::overtakings others come in before it; then all behind it wait.
//
// Two exceptions, so that nobody waits for ever:
//   MakeRoom  jobs of lower classes, and frozen ones behind it, are moved out for it. Never running
//             ones of its own class: that would be one running job for another (the paper's
//             Discussion), which only costs.
//   Alone     nothing is in at all: the first comes in even if it does not fit. As the first in
//             line it is not moved out again (swap/victim.h).
// Threading: pure functions.
#pragma once

#include <optional>

#include "swap/model.h"
#include "swap/need.h"

namespace tariff::swap {

struct BringBack {
  std::optional<Action> action;    ///< SwapIn; Overtaken in passed_over: count it on those jobs
  std::optional<Need> make_room;   ///< instead: first this much must leave
  std::optional<Time> wait_until;  ///< when somebody's time out is over
};
BringBack bring_back(const Snapshot& snapshot, const Settings& settings);

/// When a job that is out may come in at the earliest.
Time earliest_return(const Settings& settings, const JobView& job);

/// Usable memory with which it may come in.
Bytes room_needed(const Snapshot& snapshot, const Settings& settings, const JobView& job);

/// Does it get a CPU once it is in?
bool will_run(const Snapshot& snapshot, const JobView& job);

}  // namespace tariff::swap
