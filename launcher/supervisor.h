// SPDX-License-Identifier: Apache-2.0
// Supervisor: the launcher as its agent sees it. It accepts connections, obeys the requests of one
// agent (the last that said a valid Hello), and reports every change of a job to it. It decides
// nothing about jobs: that is JobTable, done by Jobs.
//
// An upgrade (asked by --reload): the installed program is tried on the state as it is now, by a
// worker; then no event is taken any more, the workers finish what they have, and the process
// executes the new program with the state and every descriptor. Until the execve succeeds anything
// that fails leaves this image serving; requests wait in their sockets meanwhile.
// Threading: the main thread.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/connection.h"
#include "launcher/jobs.h"
#include "launcher/upgrade.h"

namespace tariff::launcher {

class Supervisor {
 public:
  /// `tree` is the job tree as far as it is known before a Configure.
  Supervisor(Loop& loop, Cloner& cloner, LeafPool& leaves, std::string tree, Program program);

  /// Ends what an earlier launcher left, then accepts agents.
  Status start(Journal& journal, Fd listener);
  /// Instead of start(): goes on where the image before this one was.
  Status resume(Journal& journal, Fd state);
  void reap() { jobs_->reap(); }
  /// Before the end of the process: see Jobs.
  void clean_up() { jobs_->clean_up(); }
  [[noreturn]] void run();

 private:
  struct Asker {
    std::uint64_t connection = 0;
    std::uint64_t sequence = 0;
    bool repeated = false;
  };

  void accept_all();
  void add_candidate(Fd socket);
  void drop(std::uint64_t number, const char* why);
  void on_packet(std::uint64_t number, Connection::Packet packet);
  void on_hello(std::uint64_t number, const Request& request);
  void obey(const Request& request, Fd attached);
  void on_configure(const Request& request);
  void apply(const Configure& configure);
  void watch_holder();
  void on_launch(const Request& request, Fd attached);
  void on_end(const Request& request);
  void on_acknowledge(const Request& request);
  void on_list(const Request& request);
  void on_fetch_result(const Request& request);

  void on_upgrade(std::uint64_t number, std::uint64_t sequence);
  void upgrade();
  void not_upgraded(const Error& why);
  [[nodiscard]] Result<StateWriter> save() const;
  [[nodiscard]] state::Head head(StateWriter& state) const;
  void restore(const state::Entry& entry);
  void restore(const state::Connection& saved);
  void upgraded(const std::string& from);

  Status listen(Fd listener);
  Status start_jobs(Journal& journal, Fd first_reads);
  void launched(const std::string& id, const std::optional<Error>& failed);
  void changed(const std::string& id);
  void reply_launch(const Asker& asker, const JobRecord& record);
  void refuse(std::uint64_t sequence, Code code, const std::string& why);
  void refuse_unknown(std::uint64_t sequence, const std::string& id);
  void send(const Response& response, Fd attached = {});
  void send_to(std::uint64_t number, const Response& response, Fd attached = {});
  void self_test(const std::string& tree);

  Loop& loop_;
  Cloner& cloner_;
  LeafPool& leaves_;
  JobTable table_;
  Jobs* jobs_ = nullptr;
  Journal* journal_ = nullptr;
  Workers* checker_ = nullptr;  // of an upgrade
  const Program program_;
  std::string tree_;
  bool self_tested_ = false;
  Configure configure_;                      // the last one
  std::map<std::string, ClassRun> classes_;  // empty: not configured
  Fd listener_;
  MountWatch mounts_;
  Fd holder_;  // its cgroup.events
  std::uint64_t next_number_ = 1;
  std::uint64_t agent_ = 0;  // its number; 0 = none
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::map<std::string, std::vector<Asker>> waiting_;  // for launches on their way
  std::optional<Asker> upgrade_;                       // who asked for the one under way
  bool upgrade_checked_ = false;
};

}  // namespace tariff::launcher
