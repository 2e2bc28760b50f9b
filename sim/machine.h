// SPDX-License-Identifier: Apache-2.0
// What all machine models share: who they are, where they report, and how a job behaves beyond
// computing (blocking for I/O, starting cold).
//
// A machine is advanced only when somebody looks at it: nothing that happens on it between two
// looks depends on another machine, so there is no global queue of events, and an event costs the
// same with 100 machines as with 100,000. advance(to) carries out everything up to and including
// `to`. Threading: one run is one thread's.
#pragma once

#include <algorithm>

#include "scheduler/model.h"
#include "sim/sink.h"
#include "sim/utilisation.h"

namespace tariff::sim {

/// Functions that block: every `every` of CPU time they wait for `time`. every 0: never.
struct Blocking {
  Nanos every = 0;
  Nanos time = 0;

  /// CPU time until it blocks or ends.
  [[nodiscard]] Nanos slice(const Job& job) const {
    if (every == 0) return job.remaining;
    const Nanos into = (job.runtime - job.remaining) % every;
    return std::min(job.remaining, every - into);
  }
  /// How long the job takes on an idle machine.
  [[nodiscard]] Nanos alone(const Job& job) const {
    return every == 0 ? job.runtime : job.runtime + (job.runtime - 1) / every * time;
  }
};

struct MachineContext {
  Jobs* jobs = nullptr;
  Sink* sink = nullptr;
  Samples* busy = nullptr;  ///< null: not measured
  std::uint32_t id = 0;
  std::uint32_t cores = 1;
  Blocking blocking;
};

/// Debug builds check every machine after every event; release builds compile it away.
#ifdef NDEBUG
constexpr bool kChecking = false;
#else
constexpr bool kChecking = true;
#endif

}  // namespace tariff::sim
