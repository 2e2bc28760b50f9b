// SPDX-License-Identifier: Apache-2.0
// Between the wire (protobuf) and the launcher's plain structs. No effects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/job_table.h"
#include "launcher/protocol.pb.h"

namespace tariff::launcher {

/// How a class runs. Replaced as a whole by Configure.
struct ClassRun {
  std::string name;
  std::string directory;  ///< below the tree
  bool fifo = false;
  bool round_robin = false;  ///< SCHED_RR instead of SCHED_FIFO
  int priority = 0;
  int oom_score_adj = 0;
};

/// What to run, beside the spec that the table keeps.
struct Handler {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string working_directory;
  std::uint64_t pids_max = 0;
  std::uint32_t nofile = 0;
  bool has_payload = false;
};

/// Why a message cannot be obeyed, or nothing. Checks everything that the kernel or another part
/// would trip over later.
std::optional<std::string> objection_to(const Launch& launch);
std::optional<std::string> objection_to(const Configure& configure);

JobSpec spec_of(const Launch& launch);
Handler handler_of(const Launch& launch);
ClassRun class_of(const ClassSetting& setting);
JobTable::Settings settings_of(const Configure& configure, int cpus);

void fill(Record& message, const JobRecord& record);
/// The way back, for records kept in xattrs and over an upgrade.
JobRecord record_of(const Record& message);

}  // namespace tariff::launcher
