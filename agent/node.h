// SPDX-License-Identifier: Apache-2.0
// The agent as a whole: builds its parts bottom-up, runs until it is told to stop, takes them down
// in reverse. Order at start: configuration, class cgroups, the launcher's records, and only then
// the first call from outside, so that a restarted agent never answers out of ignorance.
//
// Threading: one io_context, one thread; what may block is done on `worker_`, awaited from there.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "agent/freezer.h"
#include "agent/host.h"
#include "agent/host_events.h"
#include "agent/host_record.h"
#include "agent/jobs.h"
#include "agent/launcher_client.h"
#include "agent/machine_knobs.h"
#include "agent/metrics_server.h"
#include "agent/priorities.h"
#include "agent/service.h"
#include "agent/settings.h"
#include "agent/systemd_link.h"
#include "agent/tls.h"
#include "agent/worker.h"
#include "cgroup/tree.h"
#include "ipc/server.h"

namespace tariff::agent {

struct NodeOptions {
  std::string config_path = "/etc/tariff/tariffd.yaml";
  std::string version;
};

class Node {
 public:
  Node(asio::io_context& io, NodeOptions options, Settings settings);

  /// Serves until SIGTERM or SIGINT; returns the exit status.
  asio::awaitable<int> run();

 private:
  asio::awaitable<Status> open_tree();
  asio::awaitable<void> set_memory_limit();
  asio::awaitable<void> keep_cpus();
  asio::awaitable<void> settle_cpus();
  asio::awaitable<void> watch_host();
  asio::awaitable<void> configure_launcher();
  void take_plan(CpuPlan plan);
  void keep_running_config();
  Status listen();
  void listen_for_metrics();
  asio::awaitable<Status> begin_session();
  launcher::Request configure_request() const;
  asio::awaitable<void> reload_on_hangup();
  asio::awaitable<void> reload();
  asio::awaitable<void> look_around();
  asio::awaitable<void> recover_jobs();
  asio::awaitable<bool> restore_tree();
  [[nodiscard]] bool tree_is_there() const;
  [[nodiscard]] bool tree_is_whole() const;
  asio::awaitable<void> feed_watchdog();
  void launcher_lost(const Error& why);
  void job_changed(const launcher::Record& record);
  [[nodiscard]] std::string status_text() const;
  ClassReading read_class(const config::PriceClass& price_class);

  asio::io_context& io_;
  NodeOptions options_;
  NodeState state_;
  std::optional<cgroup::ClassTree> tree_;
  Jobs jobs_;
  LauncherClient launcher_;
  Worker job_worker_;  ///< a job that does not freeze may hold it for two seconds
  Freezer freezer_;
  Priorities priorities_;
  ipc::Server server_;
  TlsPort tls_;
  PlacementService service_;
  MetricsServer metrics_;
  asio::signal_set hangup_;
  asio::steady_timer look_timer_;
  asio::steady_timer cpu_timer_;
  HostEvents host_events_;
  asio::steady_timer watchdog_timer_;
  std::uint64_t memory_limit_set_ = 0;  ///< what systemd last accepted
  std::size_t cpu_complaints_ = 0;      ///< of the last time the host was changed
  bool cpu_lost_ = false;   ///< the CPUs are shared since one went away
  bool cpus_due_ = false;   ///< look at them again, although nobody slept
  bool recovered_ = false;  ///< what an earlier agent left half-done has been put right
  bool stopping_ = false;
  bool lost_reported_ = false;
  // Used on the worker's thread only; the worker goes first, and so waits for its work.
  SystemdLink systemd_;
  MachineKnobs knobs_{systemd_};
  Host host_{knobs_, kHostRecord};
  Worker worker_;
};

}  // namespace tariff::agent
