// SPDX-License-Identifier: Apache-2.0
// The order of the tariff: rank by price, and a SCHED_FIFO priority for each class inside the
// configured band. Pure; the loader reports what these find.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/schema.h"

namespace tariff::config {

/// Two neighbours are at least this far apart, so that a job can be lifted above its class without
/// meeting the next one (design: FIFO bands).
inline constexpr int kMinPriorityStep = 2;
/// The usual distance where the band has room: the five default classes get 10, 15, 20, 25, 30.
inline constexpr int kPriorityStep = 5;

/// bulk 0.3, background 0.7, standard 1, interactive 1.5, critical 2 (design, "Words"); without
/// ranks and priorities.
std::vector<PriceClass> default_classes();

/// Sorts by price and numbers the ranks from 1. Requires: prices are unique.
void rank_by_price(std::vector<PriceClass>& classes);

/// Gives each class whose fifo_priority is 0 one inside the band, at least kMinPriorityStep from
/// its neighbours and in the order of rank; given ones stay. InvalidArgument if there is no room.
/// Requires: rank_by_price() was called; the given priorities increase with rank, are at least
/// kMinPriorityStep apart and lie in the band.
Status spread_priorities(std::vector<PriceClass>& classes, const FifoBands& bands);

}  // namespace tariff::config
