// SPDX-License-Identifier: Apache-2.0
// What the agent's loop tells the thread that serves metrics, as plain data. See metrics_server.h
// for how it crosses. Numbers are cumulative since the agent started unless they say "now".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/job_figures.h"

namespace tariff::agent {

struct ClassFigures {
  std::string name;
  std::string directory;   ///< of its cgroup, absolute; the serving thread reads it
  int rank = 0;            ///< 0: no longer configured
  double price = 0;        ///< micro-cents per CPU-second
  int running = 0;         ///< now, as the next two
  int waiting = 0;
  int swapped = 0;
  std::uint64_t accepted = 0;
  double cost = 0;         ///< micro-cents
  double gb_seconds = 0;   ///< resident, of ended jobs
  JobFigures ended;
};

struct Refused {
  std::string reason;      ///< "too_many_jobs"
  std::uint64_t count = 0;
};

struct MetricsSnapshot {
  std::vector<ClassFigures> classes;  ///< as configured, then those that no longer are
  std::vector<Refused> refused;       ///< every reason, also those at 0
  std::string version;
  std::string launcher_version;
  std::string cpu_enforcement;
  bool launcher_connected = false;
  bool draining = false;
  bool config_error = false;          ///< the last reload was refused
  bool insecure_tcp = false;
  std::uint64_t config_generation = 0;
  std::uint64_t config_needs_restart = 0;  ///< settings that wait for a restart, now
  std::uint64_t warnings = 0;              ///< now
  std::uint64_t launcher_lost = 0;         ///< how often the launcher's connection was lost
  std::uint64_t connections = 0;           ///< now
  std::uint64_t jobs_kept = 0;             ///< records known, running or ended, now
  std::uint64_t functions = 0;
  std::uint64_t max_jobs = 0;
  std::uint64_t job_memory_max_bytes = 0;
  std::int64_t started_unix_s = 0;
  int cpus = 0;
};

}  // namespace tariff::agent
