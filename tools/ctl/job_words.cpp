// SPDX-License-Identifier: Apache-2.0
// The vocabulary of job_view.h: states and ends in words, and the breakdown of a call.
#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>

#include "tools/ctl/job_view.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

std::string signal_words(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return "signal " + std::to_string(signal) + (name ? " (SIG" + std::string(name) + ")" : "");
}

std::string plain_end_words(const v1::Job& job) {
  switch (job.end_reason()) {
    case v1::END_REASON_NONE: return "not ended";
    case v1::END_REASON_EXITED: return "exited with status " + std::to_string(job.exit_status());
    case v1::END_REASON_SIGNALED: return "killed by " + signal_words(job.signal());
    case v1::END_REASON_EXEC_FAILED: return "could not be executed";
    case v1::END_REASON_TIMEOUT: return "stopped: over its timeout";
    case v1::END_REASON_CPU_TIMEOUT: return "stopped: over its cpu_timeout";
    case v1::END_REASON_DEADLINE: return "stopped: past its deadline";
    case v1::END_REASON_CANCELLED: return "cancelled";
    case v1::END_REASON_RESULT_TOO_LARGE: return "stopped: its result is too large";
    case v1::END_REASON_OUT_OF_MEMORY: return "killed: over its own memory_max";
    case v1::END_REASON_LAUNCHER_LOST: return "lost: the launcher died, its result with it";
    case v1::END_REASON_KILLED_FOR_MEMORY: return "killed for memory: the machine had none left";
    case v1::END_REASON_LAUNCH_FAILED: return "its process could not be made";
    default: return "ended for reason " + std::to_string(job.end_reason());
  }
}

std::chrono::nanoseconds span(std::int64_t from_ns, std::int64_t to_ns) {
  return std::chrono::nanoseconds(to_ns > 0 && to_ns >= from_ns ? to_ns - from_ns : -1);
}

}  // namespace

std::string state_words(v1::JobState state) {
  std::string words = v1::JobState_Name(state);
  const std::string prefix = "JOB_STATE_";
  if (words.rfind(prefix, 0) == 0) words.erase(0, prefix.size());
  std::transform(words.begin(), words.end(), words.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return words.empty() ? "unknown" : words;
}

std::string now_words(const v1::Job& job) {
  return job.frozen() ? state_words(job.state()) + ", frozen" : state_words(job.state());
}

std::string end_words(const v1::Job& job) {
  const std::string words = plain_end_words(job);
  return job.message().empty() ? words : words + ": " + printable(job.message());
}

bool succeeded(const v1::Job& job) {
  return job.end_reason() == v1::END_REASON_EXITED && job.exit_status() == 0;
}

Breakdown breakdown_of(const v1::Job& job) {
  Breakdown parts;
  parts.setup = span(0, job.first_ran_ns());
  if (job.first_ran_ns() > 0)
    parts.initialisation = span(job.first_ran_ns(), job.initialised_ns());
  // A handler that never reads and never marks has no visible initialisation.
  const std::int64_t started_ns =
      job.initialised_ns() > 0 ? job.initialised_ns() : job.first_ran_ns();
  if (started_ns > 0) parts.execution = span(started_ns, job.main_exited_ns());
  if (job.main_exited_ns() > 0) parts.ending = span(job.main_exited_ns(), job.ended_ns());
  parts.total = span(0, job.ended_ns());
  return parts;
}

}  // namespace tariff::ctl
