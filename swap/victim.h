// SPDX-License-Identifier: Apache-2.0
// Whose memory leaves: the lowest class first, within a class the job that would run last. Enough
// and no more.
//
// Three answers for each candidate: it may go; it may go later (it has just come back, or was just
// paged); it may not go at all. One that may go later is waited for, and no job of a higher class
// goes in its place, unless the need is urgent: then waiting periods do not hold.
// The job that is first in line is never frozen for headroom: where not even one job fits, freezing
// it would only be followed by bringing it back. If nobody else can leave and the need is urgent,
// its coldest pages are moved out while it runs, whatever its class's mode; nobody is killed while
// swap remains.
// Threading: pure functions.
#pragma once

#include <optional>
#include <vector>

#include "swap/model.h"
#include "swap/need.h"

namespace tariff::swap {

/// Everybody, who leaves first at the front. Within a class those that are frozen already come
/// first: what is left of them harms nobody by leaving.
std::vector<const JobView*> order_of_leaving(const Snapshot& snapshot);

/// The jobs that are in, in the order in which they would run.
struct Line {
  const JobView* first = nullptr;          ///< also one that is coming in
  const JobView* last_with_cpu = nullptr;  ///< empty: there are CPUs for all
};
Line line_of(const Snapshot& snapshot);

struct Verdict {
  Obstacle obstacle = Obstacle::None;
  std::optional<Time> until;  ///< with an obstacle that passes
  Verb verb = Verb::SwapOut;
  Bytes bytes = 0;            ///< that may be moved, 0 with an obstacle
};
Verdict judge(const Snapshot& snapshot, const Settings& settings, const Need& need,
              const JobView& job, const Line& line);

struct Choice {
  std::vector<Action> actions;
  std::optional<Time> wait_until;  ///< the next candidate is one that may go later
  bool exhausted = false;          ///< nobody is left who may go, and more is wanted
};
/// `ram`: bytes of RAM to set free. `most`: how many jobs may begin to leave.
Choice choose_victims(const Snapshot& snapshot, const Settings& settings, const Need& need,
                      Bytes ram, int most);

/// RAM that could be set free for the need, now or after waiting periods.
Bytes obtainable(const Snapshot& snapshot, const Settings& settings, const Need& need);

/// How long a job that came back stays.
Duration least_stay(const Snapshot& snapshot, const Settings& settings, const JobView& job);

}  // namespace tariff::swap
