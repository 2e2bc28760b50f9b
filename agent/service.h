// SPDX-License-Identifier: Apache-2.0
// The placement service: the RPCs of ipc/proto/agent.proto over what the node knows. It has no
// queue: a placement is accepted when the launcher has recorded and cloned it, or refused with a
// typed reason.
//
// Who may call what is decided before a method is reached: agent/authorisation.h.
// Threading: the io_context's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/cpu_plan.h"
#include "agent/event_log.h"
#include "agent/jobs.h"
#include "agent/launcher_client.h"
#include "agent/metrics_snapshot.h"
#include "agent/tls.h"
#include "config/schema.h"
#include "ipc/proto/agent.pb.h"
#include "ipc/server.h"

namespace tariff::agent {

class Freezer;
class Priorities;

/// What the service needs to know of the node and does not own.
struct NodeState {
  config::NodeConfig config;
  std::map<std::string, config::Function> functions;
  std::uint64_t config_generation = 1;
  std::uint64_t reloads = 0;                  ///< tried, also those that were refused
  std::string config_error;                   ///< of the last reload, empty if it went well
  std::vector<std::string> config_needs_restart;
  std::vector<std::string> warnings;
  std::string metrics_listen;                 ///< where the metrics page is; empty: nowhere
  std::string tree_path;                      ///< of the job tree in cgroupfs
  std::uint64_t launcher_lost = 0;            ///< how often the connection to it was lost
  std::uint64_t job_memory_max = 0;           ///< memory.max of the job tree; 0 not known
  CpuPlan cpus;                               ///< in effect, or being put into effect
  std::vector<std::string> cpu_warnings;
  std::size_t host_changes = 0;               ///< made on the machine, undone when we stop
  std::size_t host_changes_refused = 0;
  bool draining = false;
};

/// CPU time and memory of one class cgroup.
struct ClassReading {
  std::int64_t cpu_us = 0;
  std::uint64_t memory_bytes = 0;
  std::int64_t cpu_wait_us = 0;  ///< cpu.pressure "some" total
};

/// "fifo", "weight" or "none".
const char* text_of(config::CpuEnforcement enforcement);

class PlacementService {
 public:
  struct Dependencies {
    asio::io_context& io;
    NodeState& node;
    Jobs& jobs;
    LauncherClient& launcher;
    Freezer& freezer;
    const Priorities& priorities;
    ipc::Server& server;
    const TlsPort& tls;
    std::function<ClassReading(const config::PriceClass&)> read_class;
    /// Mends the job tree if it is not whole; true if it did, and a launch is worth another try.
    std::function<asio::awaitable<bool>()> restore_tree;
    std::string version;
  };
  explicit PlacementService(Dependencies dependencies);

  /// Registers every RPC with the server.
  void attach();

  v1::PollReply poll();

  /// Everything that the metrics page shows and the loop knows.
  void fill(MetricsSnapshot& out);

 private:
  template <typename T>
  using Answer = asio::awaitable<Result<T>>;

  Answer<v1::PlaceReply> place(const v1::PlaceRequest& request);
  asio::awaitable<v1::PlaceReply> launch(const config::Function& function, const std::string& id,
                                         const v1::PlaceRequest& request);
  v1::PlaceReply refuse(v1::Refusal why, const std::string& id, std::string message);
  Answer<v1::WaitReply> wait(ipc::CallContext& call, const v1::WaitRequest& request);
  Answer<v1::AcknowledgeReply> acknowledge(const v1::AcknowledgeRequest& request);
  Answer<v1::CancelReply> cancel(const v1::CancelRequest& request);
  Answer<v1::ListReply> list(const v1::ListRequest& request);
  Answer<v1::GetReply> get(const v1::GetRequest& request);
  Answer<v1::StatusReply> status();
  Answer<v1::DrainReply> drain(const v1::DrainRequest& request);
  Answer<v1::FreezeReply> freeze(const v1::FreezeRequest& request);
  Answer<v1::ThawReply> thaw(const v1::ThawRequest& request);
  Answer<v1::FunctionsReply> functions();
  asio::awaitable<Status> watch(ipc::CallContext& call, const v1::WatchRequest& request,
                                ipc::StreamSink& sink);

  asio::awaitable<Result<std::string>> fetch_result(const std::string& id);
  asio::awaitable<Error> explain_unknown(const std::string& id);
  const std::vector<RankLoad>& load();
  void fill_class(ClassFigures& row, const std::string& name);
  /// The record as it is shown, with what only the agent knows.
  [[nodiscard]] v1::Job shown(const launcher::Record& record) const;

  Dependencies d_;
  /// Serialised v1::WatchEvent; shared, since a watch may be destroyed with the loop, after us.
  std::shared_ptr<EventLog> events_ = std::make_shared<EventLog>();
  Jobs::Subscription job_changes_;
  std::map<v1::Refusal, std::uint64_t> refused_;
  std::map<std::string, std::uint64_t> accepted_;  ///< by class
  std::vector<RankLoad> load_;
  std::chrono::steady_clock::time_point load_taken_{};
  std::chrono::steady_clock::time_point started_;
  std::int64_t started_unix_s_ = 0;
  std::uint64_t next_id_ = 1;
};

}  // namespace tariff::agent
