// SPDX-License-Identifier: Apache-2.0
// Supervisor: the launcher as its agent sees it. It accepts connections, obeys the requests of one
// agent (the last that said a valid Hello), and reports every change of a job to it. It decides
// nothing about jobs: that is JobTable, done by Jobs.
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

namespace tariff::launcher {

class Supervisor {
 public:
  /// `tree` is the job tree as far as it is known before a Configure.
  Supervisor(Loop& loop, Cloner& cloner, LeafPool& leaves, std::string tree);

  /// Ends what an earlier launcher left, then accepts agents.
  Status start(Journal& journal, Fd listener);
  void reap() { jobs_->reap(); }
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
  void on_launch(const Request& request, Fd attached);
  void on_end(const Request& request);
  void on_acknowledge(const Request& request);
  void on_list(const Request& request);
  void on_fetch_result(const Request& request);

  void launched(const std::string& id, const std::optional<Error>& failed);
  void changed(const std::string& id);
  void reply_launch(const Asker& asker, const JobRecord& record);
  void refuse(std::uint64_t sequence, Code code, const std::string& why);
  void refuse_unknown(std::uint64_t sequence, const std::string& id);
  void send(const Response& response, Fd attached = {});
  void self_test(const std::string& tree);

  Loop& loop_;
  Cloner& cloner_;
  LeafPool& leaves_;
  JobTable table_;
  Jobs* jobs_ = nullptr;
  std::string tree_;
  bool self_tested_ = false;
  std::map<std::string, ClassRun> classes_;  // empty: not configured
  Fd listener_;
  std::uint64_t next_number_ = 1;
  std::uint64_t agent_ = 0;  // its number; 0 = none
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::map<std::string, std::vector<Asker>> waiting_;  // for launches on their way
};

}  // namespace tariff::launcher
