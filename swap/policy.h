// SPDX-License-Identifier: Apache-2.0
// The memory policy: from a snapshot to what is to be done about it. The agent asks it whenever
// something has changed, and between two batches of a job that is leaving; it keeps no state, so
// that what it says depends on nothing but the snapshot.
//
//   const auto decision = swap::decide(snapshot, settings);
//   for (const auto& action : decision.actions) carry_out(action);
//   timer.expires_after(decision.look_again);
//
// In this order (each is a function of its own):
//   1. needs        swap/need.h        is memory to be moved out, and from whom at most
//   2. bring back   swap/bring_back.h  who could come in, or for whom room is to be made
//   3. stop         below              who is leaving and need not any more
//   4. victims      swap/victim.h      who leaves: lowest class first, who would run last first
//   5. kill         swap/kill.h        only when 4 cannot help
// Nobody comes in while somebody is leaving.
//
// Why it settles when fewer jobs fit than there are CPUs: the first in line stays, room is made for
// higher classes only, and who comes in fits with a margin above the level at which memory is low.
// So every exchange puts a job before one that would run after it, and there are finitely many.
// Threading: pure functions.
#pragma once

#include "swap/model.h"
#include "swap/need.h"

namespace tariff::swap {

Decision decide(const Snapshot& snapshot, const Settings& settings);

/// Those that are leaving although enough is free or on its way without them; who would run first
/// is spared first.
std::vector<Action> stop_needless(const Snapshot& snapshot, const Settings& settings,
                                  const std::vector<Need>& needs);

/// JobView::bounces of a job that is pushed out now: one more if it had come in only shortly before
/// (four times its least stay), else none.
int bounces_when_pushed_out(const Snapshot& snapshot, const Settings& settings, const JobView& job);

/// JobView::pages_come_back: of what was paged out, so much was faulted in again since. Half of it
/// within a rest means that it was in use.
bool pages_come_back(Bytes paged_out, Bytes faulted_in);

}  // namespace tariff::swap
