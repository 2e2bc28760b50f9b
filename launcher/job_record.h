// SPDX-License-Identifier: Apache-2.0
// What the launcher knows of one job, as plain data. Written by JobTable, read by everybody else.
// The same names and numbers as in launcher/protocol.proto, without protobuf, so that policies and
// their tests need the standard library only.
// Units: times are CLOCK_MONOTONIC nanoseconds, 0 = not reached or no limit; sizes are bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"

namespace tariff::launcher {

using Nanos = std::int64_t;

enum class JobState { Unknown, Launching, Waiting, Running, Ending, Ended, Expired };
constexpr int kJobStates = 7;

/// Numbers as tariff.launcher.Reason and tariff.v1.EndReason.
enum class EndReason {
  None, Exited, Signaled, ExecFailed, Timeout, CpuTimeout, Deadline, Cancelled, ResultTooLarge,
  OutOfMemory, LauncherLost, KilledForMemory, LaunchFailed
};
constexpr int kEndReasons = 13;

enum class InitialisedBy { Unknown, Marker, FirstRead };

/// 1..64 of [A-Za-z0-9._-], not starting with a point: it names files and fields of logs.
bool valid_job_id(std::string_view id);

/// What was asked for. Never changes after admission.
struct JobSpec {
  std::string id;
  std::string function;
  std::string function_version;
  std::string class_asked;
  std::string class_run;
  std::string owner;
  std::string payload_digest;  ///< same id with another digest is another job
  Nanos accepted = 0;
  std::int64_t accepted_unix_ns = 0;
  Nanos deadline = 0;          ///< a moment
  Nanos timeout = 0;           ///< from first ran, less the time frozen
  Nanos cpu_timeout = 0;       ///< CPU time of the whole leaf
  std::uint64_t memory_max = 0;
  std::uint64_t result_max = 0;
  std::int64_t price_millionths = 0;
  std::int64_t memory_price_millionths = 0;
};

struct JobRecord {
  JobSpec spec;
  JobState state = JobState::Launching;
  std::uint32_t uid = 0;
  int pid = 0;
  std::string leaf;            ///< "class-1-bulk/j-..." below the tree

  Nanos launched = 0;
  Nanos first_ran = 0;
  Nanos initialised = 0;
  InitialisedBy initialised_by = InitialisedBy::Unknown;
  Nanos main_exited = 0;
  Nanos ended = 0;
  Nanos frozen = 0;            ///< in total

  EndReason reason = EndReason::None;
  int exit_status = 0;
  int signal = 0;
  std::string message;

  std::int64_t cpu_us = 0;
  std::int64_t cpu_pressure_us = 0;
  std::uint64_t memory_peak = 0;
  ByteMicroseconds memory_used = 0;
  bool memory_estimated = false;  ///< never sampled: peak x lifetime
  std::uint64_t result_bytes = 0;
  std::uint64_t stderr_bytes = 0;
  std::uint64_t stderr_dropped_bytes = 0;
  bool acknowledged = false;
};

/// How the main process ended, as waitid says.
struct MainExit {
  bool by_signal = false;
  int value = 0;  ///< exit status or signal
};

/// Read from the leaf once it is empty.
struct JobUsage {
  std::int64_t cpu_us = 0;
  std::int64_t cpu_pressure_us = 0;
  std::uint64_t memory_peak = 0;
  std::uint64_t oom_kills = 0;
  std::uint64_t result_offset = 0;  ///< where the job's stdout stands
};

}  // namespace tariff::launcher
