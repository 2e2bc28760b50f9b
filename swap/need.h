// SPDX-License-Identifier: Apache-2.0
// Is memory to be moved out, why, how much, and from whom at most? Every reason has a floor: the
// highest class that it may touch.
//
//   Headroom   usable memory fell below the headroom, which is how far away help must start so that
//              nobody has to wait at all. May touch every class, the lowest first.
//   Pressure   a class waits for memory *while the kernel is short of free pages*. May touch lower
//              classes only; the lowest class that waits alone is no reason to do anything. With
//              free pages enough, a wait is the price of faulting something in, and moving others
//              out would not shorten it.
//   MakeRoom   swap/bring_back.h.
//
// Threading: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "swap/model.h"

namespace tariff::swap {

struct Need {
  Reason reason = Reason::Headroom;
  int suffering_rank = 0;           ///< Pressure only
  int floor = 0;                    ///< the highest rank that may be touched
  Bytes bytes = 0;                  ///< of RAM, not counting what is on its way already
  bool urgent = false;              ///< waiting periods do not hold
  bool growers_only = false;        ///< to be frozen so that they stop growing (outpaced())
  std::string on_behalf_of;         ///< MakeRoom: the job, and ...
  std::optional<JobView> behind;    ///< ... frozen ones of its class behind it may be touched, too
};

std::optional<Need> pressure_need(const Snapshot& snapshot);
std::optional<Need> headroom_need(const Snapshot& snapshot);
/// The two, Pressure first.
std::vector<Need> needs_of(const Snapshot& snapshot);

/// May the need touch this job?
bool may_touch(const Need& need, const JobView& job);

/// RAM that is about to come back: what leaves, is paged out or dies. What has taken longer than
/// Settings::release_patience to freeze or to die is not counted on.
Bytes releases_under_way(const Snapshot& snapshot, const Settings& settings);

/// Memory is low and taken at least as fast as it can be moved out. Then nobody who is leaving is
/// let go, and once it is critical one more job that grows is frozen with every look: frozen, it
/// takes nothing any more.
bool outpaced(const Snapshot& snapshot);

/// What one job adds to it.
Bytes release_of(const JobView& job, const Snapshot& snapshot, const Settings& settings);

}  // namespace tariff::swap
