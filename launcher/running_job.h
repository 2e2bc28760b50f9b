// SPDX-License-Identifier: Apache-2.0
// The descriptors of one job, from its preparation on a launch thread to its end. Part of Jobs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/jobs.h"
#include "launcher/ready_child.h"

namespace tariff::launcher {

/// A launch on its way: filled by the main thread, done by a launch thread, taken back.
struct Jobs::Prepared {
  Handler handler;
  ClassRun run;
  Fd payload;
  JobRecord record;
  int first_reads = -1;  ///< the inotify instance

  std::optional<Error> failed;
  ReadyChild ready;      ///< its leaf is set if one was marked with the job
  int first_read_watch = -1;
  Nanos launched = 0;

  /// The whole launch; may block. Sets `failed` or everything else.
  void launch(Cloner& cloner, LeafPool& leaves);

 private:
  Status mark_leaf();
  Status hand_over(Cloner& cloner);
};

struct Jobs::Job {
  Job(std::string job_id, Prepared&& prepared);
  Job(std::string job_id, SharedLeaf lost);
  Job(std::string job_id, const state::Followed& saved, Journal& journal);
  void save(state::Followed& message, StateWriter& state) const;

  std::string id;
  std::string handler_path;
  SharedLeaf leaf;
  JobStdio stdio;
  Fd events;           ///< cgroup.events, read at least once: a change is reported by EPOLLPRI
  Child child;
  std::vector<Fd> namespaces;  ///< dropped by a worker: see exec_main.cpp
  int first_read_watch = -1;
  std::unique_ptr<StderrRelay> errors;
  bool main_exited = false;
  bool ending = false;  ///< the leaf is empty, usage is being read
};

}  // namespace tariff::launcher
