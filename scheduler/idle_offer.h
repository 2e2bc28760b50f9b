// SPDX-License-Identifier: Apache-2.0
// The machine's side of the idle list: when it enters one, tells it news, and leaves. The agent
// asks with every look at its memory.
//
//   enter   its memory utilisation is low (below `enter_below`), and it has few enough jobs
//   update  free memory changed significantly since what it told last
//   leave   utilisation rose above `leave_above`: higher than `enter_below`, so that what flickers
//           around one value sends nothing
// An entry that a shard has used up or let expire is entered again by the next news, or after
// `refresh`.
// Threading: pure functions and a plain value.
#pragma once

#include <optional>

#include "scheduler/model.h"

namespace tariff::scheduler {

struct OfferSettings {
  double enter_below = 0.5;                 ///< of RAM
  double leave_above = 0.6;
  double significant = 0.05;                ///< of RAM: a smaller change is no news
  std::optional<std::uint32_t> most_jobs;   ///< more: as if memory were full
  std::optional<Duration> refresh;          ///< told again after so long, news or not
};

enum class Offer { Nothing, Enter, Update, Leave };

/// What the machine remembers of its last word.
struct OfferState {
  bool offered = false;
  Bytes told_free = 0;
  std::uint32_t told_jobs = 0;
  Time told_at{0};
};

/// What to tell now; the caller applies it with told().
Offer what_to_offer(const MachineReport& report, const OfferState& state, Time now,
                    const OfferSettings& settings);

void told(OfferState& state, Offer offer, const MachineReport& report, Time now);

}  // namespace tariff::scheduler
