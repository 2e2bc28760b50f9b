// SPDX-License-Identifier: Apache-2.0
// Jobs as text: rows of `tariffctl jobs`, lines of `watch`, and the timeline of one record with
// the breakdown of the paper's Figure 2 (setup, initialisation, execution).
// Pure: the record and the time come in, text goes out.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ipc/proto/agent.pb.h"

namespace tariff::ctl {

/// "launching", "running", ...
std::string state_words(v1::JobState state);

/// The same, and whether it is frozen: "running, frozen".
std::string now_words(const v1::Job& job);

/// How a job ended, in words: "exited with status 0", "killed by signal 9 (SIGKILL)",
/// "stopped: over its cpu_timeout".
std::string end_words(const v1::Job& job);

/// True when the handler itself ended with status 0.
bool succeeded(const v1::Job& job);

/// Where a call's time went. A part is negative when its end was not recorded.
struct Breakdown {
  std::chrono::nanoseconds setup{-1};           ///< accepted -> first ran: place, launch, wait
  std::chrono::nanoseconds initialisation{-1};  ///< first ran -> marker, else first read
  std::chrono::nanoseconds execution{-1};       ///< initialised -> main process exited
  std::chrono::nanoseconds ending{-1};          ///< main exited -> the leaf is empty
  std::chrono::nanoseconds total{-1};           ///< accepted -> ended
};
Breakdown breakdown_of(const v1::Job& job);

/// The table of `tariffctl jobs`; `now_unix_ns` gives the age column.
std::string jobs_text(const std::vector<v1::Job>& jobs, std::int64_t now_unix_ns);

/// One record as a timeline.
std::string job_text(const v1::Job& job);

/// One line of `tariffctl watch`, ended by '\n'.
std::string event_text(const v1::WatchEvent& event);

}  // namespace tariff::ctl
