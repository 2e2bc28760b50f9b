// SPDX-License-Identifier: Apache-2.0
// What is counted of jobs that have ended, per class: how they ended, how long each step took, how
// much they were slowed down, what they used and cost. Cumulative since the agent started; times
// are monotonic. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/histogram.h"

namespace tariff::agent {

/// The steps of a job that ran to its end, in order. Names are words of metrics and documents.
enum class Hop : std::size_t {
  Launch,      ///< accepted -> its process exists
  FirstRun,    ///< -> it had a CPU in its own class for the first time
  Initialise,  ///< -> initialised (only jobs of which that is known)
  Execute,     ///< first ran or initialised -> its main process has exited
  Finish,      ///< -> the leaf is empty, usage is final
};
inline constexpr std::size_t kHops = 5;
std::string_view name_of(Hop hop);

/// How many end reasons are counted: the enumerators of launcher.Reason, with room for more.
inline constexpr std::size_t kEndReasons = 16;

/// One ended job. Times are CLOCK_MONOTONIC nanoseconds, 0 = not reached.
struct JobTimes {
  std::int64_t accepted_ns = 0;
  std::int64_t launched_ns = 0;
  std::int64_t first_ran_ns = 0;
  std::int64_t initialised_ns = 0;
  std::int64_t main_exited_ns = 0;
  std::int64_t ended_ns = 0;
  std::int64_t cpu_us = 0;
  std::int64_t cpu_pressure_us = 0;  ///< "some" total of the leaf: a task of it lacked a CPU
  std::int64_t frozen_ns = 0;
};

/// latency / (latency - the time it waited for us): 1 is perfect. The wait is all of accepted ->
/// first ran, then the time without a CPU, then the time frozen. The leaf's pressure counts from
/// the launch on, so what lies before "first ran" is taken off, since it is in the wait already.
/// What remains is never taken to be less than the CPU time used: tasks of one job overlap, and
/// while one waits another may work. Empty if the job never ran.
std::optional<double> slowdown_of(const JobTimes& job);

struct JobFigures {
  JobFigures();

  /// `reason`: number of its end reason; `ok`: it exited with status 0.
  void add(const JobTimes& job, std::size_t reason, bool ok);

  std::uint64_t ok = 0;
  std::array<std::uint64_t, kEndReasons> not_ok{};  ///< by reason; the last also for unknown ones
  Histogram latency;   ///< accepted -> ended, seconds; every job
  Histogram slowdown;  ///< ratio; jobs that ran
  std::array<Histogram, kHops> hops;  ///< seconds
  double cpu_seconds = 0;
};

}  // namespace tariff::agent
