// SPDX-License-Identifier: Apache-2.0
#include "agent/job_figures.h"

#include <algorithm>

namespace tariff::agent {
namespace {

constexpr double kSecond = 1e9;

// Functions live from milliseconds to many minutes (the paper, 4.1).
constexpr std::array kLatencyBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,  0.5,
                                       1.0,   2.5,    5.0,   10.0, 30.0,  60.0, 300.0, 1800.0};
// A launch takes a fraction of a millisecond; behind higher classes a step may take minutes.
constexpr std::array kHopBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                   0.025,  0.05,    0.1,    0.25,  0.5,    1.0,   2.5,
                                   5.0,    10.0,    60.0,   600.0};
// 1.1 is what the highest class is promised; beyond 10 it hardly matters how much.
constexpr std::array kSlowdownBounds = {1.01, 1.02, 1.05, 1.1,  1.2,  1.5,  2.0,
                                        3.0,  5.0,  10.0, 30.0, 100.0, 1000.0};

}  // namespace

std::string_view name_of(Hop hop) {
  switch (hop) {
    case Hop::Launch: return "launch";
    case Hop::FirstRun: return "first_run";
    case Hop::Initialise: return "initialise";
    case Hop::Execute: return "execute";
    case Hop::Finish: return "finish";
  }
  return "unknown";
}

std::optional<double> slowdown_of(const JobTimes& job) {
  const std::int64_t latency = job.ended_ns - job.accepted_ns;
  if (job.first_ran_ns == 0 || latency <= 0) return std::nullopt;
  const std::int64_t starting = std::max<std::int64_t>(job.first_ran_ns - job.launched_ns, 0);
  const std::int64_t pressed = std::max<std::int64_t>(job.cpu_pressure_us * 1000 - starting, 0);
  const std::int64_t waited = job.first_ran_ns - job.accepted_ns + pressed + job.frozen_ns;
  const std::int64_t worked = std::clamp<std::int64_t>(job.cpu_us * 1000, 1, latency);
  const std::int64_t own = std::clamp(latency - waited, worked, latency);
  return static_cast<double>(latency) / static_cast<double>(own);
}

JobFigures::JobFigures() : latency(kLatencyBounds), slowdown(kSlowdownBounds) {
  hops.fill(Histogram(kHopBounds));
}

void JobFigures::add(const JobTimes& job, std::size_t reason, bool is_ok) {
  if (is_ok) ++ok;
  else ++not_ok[std::min(reason, kEndReasons - 1)];
  latency.observe(static_cast<double>(job.ended_ns - job.accepted_ns) / kSecond);
  if (const auto slow = slowdown_of(job)) slowdown.observe(*slow);
  cpu_seconds += static_cast<double>(job.cpu_us) / 1e6;
  const auto step = [this](Hop hop, std::int64_t from, std::int64_t to) {
    if (from != 0 && to != 0)
      hops[static_cast<std::size_t>(hop)].observe(static_cast<double>(to - from) / kSecond);
  };
  step(Hop::Launch, job.accepted_ns, job.launched_ns);
  step(Hop::FirstRun, job.launched_ns, job.first_ran_ns);
  step(Hop::Initialise, job.first_ran_ns, job.initialised_ns);
  step(Hop::Execute, job.initialised_ns != 0 ? job.initialised_ns : job.first_ran_ns,
       job.main_exited_ns);
  step(Hop::Finish, job.main_exited_ns, job.ended_ns);
}

}  // namespace tariff::agent
