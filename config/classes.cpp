// SPDX-License-Identifier: Apache-2.0
#include "config/classes.h"

#include <algorithm>

namespace tariff::config {
namespace {

PriceClass priced(const char* name, std::int64_t tenths) {
  PriceClass out;
  out.name = name;
  out.price = Price{tenths * 100'000};  // a tenth of a micro-cent
  return out;
}

/// Where the priorities of a run of classes go: first, first + step, ...
struct Run {
  int first = 0;
  int step = 0;
};

/// For `count` classes between two given priorities, of which either may be absent (0).
Run fit(int count, int below, int above, const FifoBands& bands) {
  if (below > 0 && above > 0) {  // evenly between the two
    const int step = (above - below) / (count + 1);
    return {below + step, step};
  }
  if (below > 0) {  // upwards from the given one
    const int step = std::min((bands.classes_high - below) / count, kPriorityStep);
    return {below + step, step};
  }
  if (above > 0) {  // from the bottom of the band up to the given one
    const int step = std::min((above - bands.classes_low) / count, kPriorityStep);
    return {bands.classes_low, step};
  }
  if (count == 1) return {bands.classes_low, kPriorityStep};
  const int step = (bands.classes_high - bands.classes_low) / (count - 1);
  return {bands.classes_low, std::min(step, kPriorityStep)};
}

}  // namespace

std::vector<PriceClass> default_classes() {
  return {priced("bulk", 3), priced("background", 7), priced("standard", 10),
          priced("interactive", 15), priced("critical", 20)};
}

void rank_by_price(std::vector<PriceClass>& classes) {
  std::stable_sort(classes.begin(), classes.end(),
                   [](const PriceClass& a, const PriceClass& b) { return a.price < b.price; });
  int rank = 0;
  for (auto& row : classes) row.rank = ++rank;
}

Status spread_priorities(std::vector<PriceClass>& classes, const FifoBands& bands) {
  const auto given = [](const PriceClass& row) { return row.fifo_priority != 0; };
  int below = 0;
  for (auto run = classes.begin(); run != classes.end();) {
    if (given(*run)) {
      below = run->fifo_priority;
      ++run;
      continue;
    }
    const auto end = std::find_if(run, classes.end(), given);
    const int count = static_cast<int>(end - run);
    const int above = end == classes.end() ? 0 : end->fifo_priority;
    const Run place = fit(count, below, above, bands);
    if (place.step < kMinPriorityStep)
      return Error{ErrorKind::InvalidArgument,
                   "no room for " + std::to_string(count) + " classes from priority " +
                       std::to_string(below > 0 ? below : bands.classes_low) + " to " +
                       std::to_string(above > 0 ? above : bands.classes_high),
                   "classes are at least " + std::to_string(kMinPriorityStep) +
                       " apart: use fewer, or widen fifo.classes_low .. classes_high"};
    for (int priority = place.first; run != end; ++run, priority += place.step)
      run->fifo_priority = priority;
  }
  return ok();
}

}  // namespace tariff::config
