// SPDX-License-Identifier: Apache-2.0
// Jobs: what JobTable decides, done. It launches on worker threads, follows each job's channels
// (status, marker, stderr, first read of stdin, cgroup.events, exit), reads usage once the leaf is
// empty, keeps results, and hands leaves back. Every fact goes into the table first and then, by
// on_changed, to whoever is told.
// Threading: the main thread, which never blocks here: cgroup files are touched by workers only,
// except cgroup.events, which cannot block.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "launcher/clone.h"
#include "launcher/exec_options.h"
#include "launcher/leaf_pool.h"
#include "launcher/loop.h"
#include "launcher/messages.h"
#include "launcher/state.h"
#include "launcher/stderr_relay.h"

namespace tariff::launcher {

class Jobs {
 public:
  struct Parts {
    Loop& loop;
    JobTable& table;
    Cloner& cloner;
    LeafPool& leaves;
    Journal& journal;
  };
  struct Told {
    /// A job's record has changed.
    std::function<void(const std::string& id)> changed;
    /// A launch has come to a process, or failed: then the job is out of the table again.
    std::function<void(const std::string& id, const std::optional<Error>& failed)> launched;
  };
  /// Lives as long as the process. `first_reads`: the inotify instance of the image before this
  /// one, or empty.
  static Result<Jobs*> start(Parts parts, Told told, Fd first_reads);
  ~Jobs();

  /// Requires: the table has just admitted `id`. Answered by Told::launched.
  void launch(const std::string& id, Handler handler, const ClassRun& run, Fd payload);
  /// A leaf of an earlier launcher, with its job in the table as lost: ended and cleaned up.
  void adopt_lost(const std::string& id, Leaf leaf);

  void set_stderr_rate(std::uint64_t bytes_per_second) { stderr_rate_ = bytes_per_second; }
  /// Requires: the job has ended. A read-only descriptor of the result (empty if there is none).
  Result<Fd> result(const std::string& id);

  [[nodiscard]] std::optional<Nanos> next_due() const;
  void on_due(Nanos now);
  /// Something has exited.
  void reap();

  /// Does at once what is left of jobs that have ended.
  void clean_up();
  /// No worker has anything to do, and none will before the next event. Requires: clean_up().
  [[nodiscard]] bool idle();
  /// All jobs, for the next image of this process. Requires: idle().
  void save(StateWriter& state) const;
  [[nodiscard]] const Fd& first_reads() const { return first_reads_; }
  /// One of them there. What happened meanwhile is reported by the descriptors and reap().
  void restore(const state::Job& saved);

 private:
  struct Job;
  struct Prepared;
  struct KeptResult {
    std::string bytes;  // small ones are copied: a memfd would keep the whole dead cgroup
    Fd file;
  };
  struct Ended {
    std::unique_ptr<Job> job;
    std::uint32_t uid;
    Nanos due;
  };
  Jobs(Parts parts, Told told);

  void launched(const std::string& id, std::shared_ptr<Prepared> prepared);
  void follow(Job& job);
  void on_status(Job& job);
  void on_ready(Job& job, Nanos now);
  void on_stderr(Job& job);
  void after_stderr(Job& job, StderrRelay::Next next);
  void on_events(Job& job);
  void on_first_reads();
  void first_read(int watch, Nanos at);
  void main_exited(Job& job, MainExit exit);
  void end_when_empty(Job& job);
  void emptied(const std::string& id, const JobUsage& usage, std::shared_ptr<KeptResult> result);
  void clean_up(Ended& ended);
  void obey(const Order& order);
  void kill(const Job& job);
  void sample_memory();
  Job* find(const std::string& id);

  Parts parts_;
  Told told_;
  Workers* launchers_ = nullptr;  // clone3; a hanging one holds up only itself
  Workers* readers_ = nullptr;    // usage, samples
  Workers* enders_ = nullptr;     // TERM and KILL wait behind nobody's read
  Workers* closers_ = nullptr;    // drop the last references to a job's namespaces
  Fd first_reads_;                // inotify: IN_ACCESS on the jobs' payloads
  std::uint64_t stderr_rate_ = 65'536;
  std::unordered_map<std::string, std::unique_ptr<Job>> jobs_;
  std::unordered_map<int, std::string> by_pid_;
  std::unordered_map<int, std::string> by_watch_;  // inotify watch
  std::unordered_map<int, Nanos> early_reads_;     // of watches whose launch is not reported yet
  int launching_ = 0;
  std::map<std::string, KeptResult> results_;
  std::deque<Ended> ended_;                        // reported, not yet cleaned up
  std::map<std::string, Nanos> refills_;           // of class directories, and when
  std::set<std::string> dropping_;                 // stderr over its rate
  Nanos drop_due_ = 0;
  Nanos sample_due_ = 0;
  Nanos sample_interval_ = 0;
  bool sampling_ = false;
};

}  // namespace tariff::launcher
