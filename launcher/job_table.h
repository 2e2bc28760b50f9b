// SPDX-License-Identifier: Apache-2.0
// JobTable: the authority on what runs. It holds the record of every job, decides whether a launch
// is new, repeated or in conflict, moves jobs through their states, knows when something is due
// (timeouts, the kill after a TERM, the end of retention), and remembers dropped ids for a while so
// that they are "expired" and never run twice.
//
//   table.admit(spec, now);                   // New: the caller clones it ...
//   table.cloned(id, pid, leaf, now);               // ... and says what happened
//   table.first_ran(id, at);
//   for (auto& order : table.take_due(now))   // Terminate, Kill, LookAtCpu, Drop
//
// States and what moves a job (job_table.cpp has this as a table; anything else is a bug):
//
//   Launching -cloned-> Waiting -first ran-> Running -end requested, main exited-> Ending
//   Ending -leaf empty-> Ended -acknowledged, retention-> dropped (Expired)
//
// Pure: time is an argument, no effect, no protobuf. Not thread-safe: the launcher's main thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "launcher/job_record.h"
#include "launcher/uid_pool.h"

namespace tariff::launcher {

enum class Admission { New, Repeated, IdInUse, Expired, NoUid };

/// What the launcher has to do now.
struct Order {
  enum class Kind {
    Terminate,   ///< TERM to every process of the leaf
    Kill,        ///< cgroup.kill
    LookAtCpu,   ///< read cpu.stat and call cpu_used()
    Drop,        ///< the record is gone: forget the result too
  };
  Kind kind;
  std::string id;
  bool operator==(const Order&) const = default;
};

class JobTable {
 public:
  struct Settings {
    Nanos retention = 600'000'000'000;             ///< of ended, unacknowledged jobs: 10 minutes
    std::uint64_t retention_bytes = 256ULL << 20;  ///< results of ended jobs together
    Nanos kill_grace = 2'000'000'000;              ///< between TERM and KILL
    std::uint32_t uid_first = 0;
    std::uint32_t uid_count = 0;
    int cpus = 1;                                  ///< how fast CPU time can be used at most
  };

  /// A row: the record and what the table knows beyond it.
  struct Job {
    JobRecord record;
    bool terminated = false;           // TERM was ordered
    std::optional<Nanos> kill_at;      // after TERM; then again and again
    std::optional<Nanos> cpu_look_at;
    std::optional<Nanos> frozen_since;
    Nanos frozen_before_run = 0;
    std::optional<Nanos> drop_at;
    std::optional<Nanos> sampled_at;
    std::uint64_t sampled_bytes = 0;
    std::optional<Nanos> due;          // as in due_
  };

  void configure(const Settings& settings);

  /// Requires: valid_job_id(spec.id). New: the record is Launching and has a uid.
  Admission admit(JobSpec spec);
  /// The launch did not come to a process: forgotten, the id may be used again. The uid stays taken
  /// until free_uid().
  void launch_failed(const std::string& id);
  /// A job of an earlier launcher: it is ending, its result and exit status are lost.
  void restore_lost(JobRecord record, Nanos now);

  void cloned(const std::string& id, int pid, std::string leaf, Nanos now);
  void first_ran(const std::string& id, Nanos at);
  void initialised(const std::string& id, InitialisedBy by, Nanos at);
  void set_frozen(const std::string& id, bool frozen, Nanos now);
  /// The trampoline could not go on (ExecFailed or LaunchFailed); the exit follows.
  void start_failed(const std::string& id, EndReason reason, std::string message);
  void stderr_counted(const std::string& id, std::uint64_t bytes, std::uint64_t dropped);
  /// True: it is not its first, and about as much as the one before.
  bool memory_sample(const std::string& id, std::uint64_t bytes, Nanos now);
  void cpu_used(const std::string& id, std::int64_t cpu_us, Nanos now);

  /// False: it has ended, or its main process has exited, already. The first reason stays.
  bool request_end(const std::string& id, EndReason reason, Nanos now);
  /// The caller kills the rest of the leaf; Kill orders follow while it is not empty.
  void main_exited(const std::string& id, MainExit exit, Nanos now);
  /// The leaf is empty: Ended. Decides the final reason.
  void emptied(const std::string& id, const JobUsage& usage, Nanos now);
  /// The caller has record and result: dropped with the next take_due().
  void acknowledge(const std::string& id, Nanos now);
  /// The leaf is removed, so nothing of this uid is left.
  void free_uid(std::uint32_t uid) { uids_.free(uid); }

  [[nodiscard]] const JobRecord* find(const std::string& id) const;
  [[nodiscard]] bool expired(const std::string& id) const { return tombstones_.contains(id); }
  [[nodiscard]] std::size_t size() const { return jobs_.size(); }
  void for_each(const std::function<void(const JobRecord&)>& visit) const;

  // All of it but the settings, for the next image of this process.
  void for_each_row(const std::function<void(const Job&)>& visit) const;  ///< oldest ended first
  [[nodiscard]] const std::deque<std::string>& dropped() const { return tombstone_order_; }
  [[nodiscard]] const UidPool& uids() const { return uids_; }
  void restore(Job job);
  void restore_dropped(const std::string& id);
  /// Requires: configured as before.
  void restore_uids(const std::vector<std::uint32_t>& used, std::uint32_t next);

  /// When take_due() has something to say next.
  [[nodiscard]] std::optional<Nanos> next_due() const;
  std::vector<Order> take_due(Nanos now);

 private:
  enum class Event { Cloned, FirstRan, EndRequested, MainExited, Emptied };

  Job& get(const std::string& id);
  void move(Job& job, Event event);
  void schedule(Job& job);
  [[nodiscard]] std::optional<Nanos> due_of(const Job& job) const;
  void act(Job& job, Nanos now, std::vector<Order>& orders);
  void end_by_timer(Job& job, Nanos now, std::vector<Order>& orders);
  void request(Job& job, EndReason reason, Nanos now);
  void drop(const std::string& id, std::vector<Order>& orders);
  void keep_within_bytes();
  [[nodiscard]] Nanos timeout_at(const Job& job) const;

  Settings settings_;
  UidPool uids_;
  std::unordered_map<std::string, Job> jobs_;
  std::set<std::pair<Nanos, std::string>> due_;
  std::deque<std::string> ended_;            // oldest first; may name dropped jobs
  std::uint64_t kept_bytes_ = 0;
  std::deque<std::string> tombstone_order_;  // oldest first
  std::unordered_set<std::string> tombstones_;
};

}  // namespace tariff::launcher
