// SPDX-License-Identifier: Apache-2.0
#include "agent/node.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>

#include "agent/class_policy.h"
#include "agent/log.h"
#include "agent/machine.h"
#include "agent/settings.h"
#include "config/diff.h"
#include "config/write.h"
#include "systemd/listen_fds.h"
#include "systemd/notify.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;
constexpr auto use_result = asio::as_tuple(asio::use_awaitable);

// How long the first call waits for the launcher's records before the agent answers without them.
constexpr auto kFirstSession = 10s;
// Foreign writers in our subtree are looked for this often: it is a report, not a fight.
constexpr auto kLookAround = 10s;
constexpr auto kLookAgain = 1s;  // while the job tree is missing
constexpr auto kStopGrace = 2s;

ipc::ServerLimits server_limits(const config::Limits& limits) {
  ipc::ServerLimits result;
  result.max_frame_bytes = limits.max_frame_bytes;
  result.max_streams = static_cast<std::size_t>(limits.max_streams_per_connection);
  result.max_queued_bytes = limits.max_queued_bytes_per_connection;
  result.max_connections = static_cast<std::size_t>(limits.max_connections);
  return result;
}

/// What systemd does not hear from us it will act on; all we can do is say so.
void report(const Status& told) {
  if (!told) log(LogLevel::Warning, "systemd was not told: " + told.error().text());
}

}  // namespace

Node::Node(asio::io_context& io, NodeOptions options, Settings settings)
    : io_(io),
      options_(std::move(options)),
      state_{std::move(settings.config), std::move(settings.functions)},
      jobs_(io),
      launcher_(io, state_.config.sockets.launcher, options_.version,
                {[this] { return begin_session(); },
                 [this](const launcher::Record& record) { job_changed(record); },
                 [this](const Error& why) { launcher_lost(why); }}),
      job_worker_(io, state_.config.fifo.workers),
      freezer_(job_worker_, jobs_),
      priorities_(io, job_worker_, state_.config),
      server_(io, server_limits(state_.config.limits)),
      tls_(server_),
      service_({io, state_, jobs_, launcher_, freezer_, priorities_, server_, tls_,
                [this](const config::PriceClass& row) { return read_class(row); },
                [this] { return restore_tree(); },
                options_.version}),
      metrics_(io, [this](MetricsSnapshot& out) { service_.fill(out); }),
      hangup_(io, SIGHUP),
      look_timer_(io),
      cpu_timer_(io),
      host_events_(io, [this] {
        cpus_due_ = true;
        cpu_timer_.cancel();
      }),
      watchdog_timer_(io),
      worker_(io, state_.config.fifo.workers) {
  service_.attach();
}

asio::awaitable<int> Node::run() {
  using namespace asio::experimental::awaitable_operators;
  (void)::malloc_trim(0);  // what reading the configuration left; once locked it would stay
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
    log(LogLevel::Warning, errno_error("cannot lock the agent in memory", errno).text());
  if (auto opened = co_await open_tree(); !opened)
    log(LogLevel::Error, opened.error().text());
  co_await recover_jobs();
  keep_running_config();

  int status = 0;
  const auto serve = [&]() -> asio::awaitable<void> {
    if (!co_await launcher_.wait_ready(kFirstSession))
      log(LogLevel::Warning, "the launcher is not there; placements are refused until it is");
    if (auto listening = listen(); !listening) {
      log(LogLevel::Error, listening.error().text());
      status = 1;
      co_return;
    }
    listen_for_metrics();
    report(systemd::notify_ready(status_text()));
    log(LogLevel::Info, "tariffd " + options_.version + " is ready");
    asio::signal_set stop_signals(io_, SIGTERM, SIGINT);
    co_await stop_signals.async_wait(use_result);
    report(systemd::notify_stopping());
    log(LogLevel::Info, "stopping; running jobs run on");
    stopping_ = true;
    co_await server_.stop(kStopGrace);
  };
  const auto serve_then_stop = [&]() -> asio::awaitable<void> {
    co_await serve();
    stopping_ = true;
    launcher_.stop();
    hangup_.cancel();
    look_timer_.cancel();
    cpu_timer_.cancel();
    host_events_.stop();
    host_.hurry();
    watchdog_timer_.cancel();
    metrics_.stop();
    priorities_.stop();
  };
  co_await (launcher_.run() && serve_then_stop() && reload_on_hangup() && look_around() &&
            keep_cpus() && watch_host() && priorities_.run() && feed_watchdog());
  co_return status;
}

Status Node::listen() {
  bool listening = false;
  auto inherited = systemd::take_listen_fds();
  if (!inherited) return std::move(inherited).error();
  for (auto& socket : *inherited) {
    if (auto added = server_.listen_unix(std::move(socket.fd)); !added) return added;
    listening = true;
  }
  if (!listening)
    if (auto made = server_.listen_unix_path(state_.config.sockets.agent, 0660); !made) return made;
  if (auto added = tls_.listen(state_.config); !added) return added;
  const auto& sockets = state_.config.sockets;
  if (sockets.tcp_listen && sockets.insecure_tcp) {
    if (auto added = server_.listen_tcp(*sockets.tcp_listen); !added) return added;
    log(LogLevel::Warning, "listening on " + *sockets.tcp_listen +
                               " without authentication (insecure_tcp): any local user can place");
  }
  return ok();
}

/// An agent that cannot be watched still runs jobs, so this is a warning.
void Node::listen_for_metrics() {
  const auto& endpoint = state_.config.metrics.listen;
  if (!endpoint) return;
  auto listening = metrics_.listen(*endpoint);
  if (!listening) {
    log(LogLevel::Warning, "metrics are not served: " + listening.error().text());
    return;
  }
  state_.metrics_listen = *endpoint;
  asio::co_spawn(io_, metrics_.run(), asio::detached);
}

launcher::Request Node::configure_request() const {
  const auto& config = state_.config;
  launcher::Request request;
  auto& message = *request.mutable_configure();
  const int classes = static_cast<int>(config.classes.size());
  for (const auto& row : config.classes) {
    const auto knobs = knobs_of(row, classes, config.cpu_enforcement);
    auto& setting = *message.add_classes();
    setting.set_name(row.name);
    setting.set_rank(static_cast<std::uint32_t>(row.rank));
    setting.set_directory(cgroup::directory_name(row));
    setting.set_policy(knobs.fifo ? launcher::SCHED_POLICY_FIFO : launcher::SCHED_POLICY_OTHER);
    setting.set_round_robin(knobs.round_robin);
    setting.set_priority(static_cast<std::uint32_t>(knobs.priority));
    setting.set_oom_score_adj(knobs.oom_score_adj);
  }
  message.set_uid_first(config.uids.first);
  message.set_uid_count(config.uids.count);
  message.set_result_retention_bytes(config.limits.result_retention_bytes);
  message.set_result_retention_ns(std::chrono::nanoseconds(config.limits.result_retention).count());
  message.set_stderr_bytes_per_second(config.limits.stderr_bytes_per_second);
  message.set_leaf_pool(static_cast<std::uint32_t>(config.limits.leaf_pool));
  message.set_kill_grace_ns(std::chrono::nanoseconds(config.limits.kill_grace).count());
  message.set_tree(state_.tree_path);
  message.set_class_cpus(static_cast<std::uint32_t>(state_.cpus.classes.size()));
  return request;
}

asio::awaitable<Status> Node::begin_session() {
  // The holder may have been restarted with an empty tree since the last session.
  if (auto opened = co_await open_tree(); !opened) co_return opened;
  co_await recover_jobs();
  auto reply = co_await launcher_.request(configure_request());
  if (!reply) co_return std::move(reply).error();
  if (reply->message.has_failure())
    co_return Error{ErrorKind::Internal,
                    "the launcher refused its configuration: " + reply->message.failure().message(),
                    {}};
  jobs_.begin_replay();
  auto listed = co_await launcher_.list([this](const launcher::Record& record) {
    jobs_.apply(record);
  });
  if (!listed) co_return std::move(listed).error().context("reading back the launcher's records");
  jobs_.end_replay(monotonic_ns());
  lost_reported_ = false;
  log(LogLevel::Info, "connected to launcher " + launcher_.launcher_version() + "; " +
                          std::to_string(jobs_.live()) + " jobs are on this machine");
  co_return ok();
}

/// First of all, once there is a tree: no job stays raised because an earlier agent died.
asio::awaitable<void> Node::recover_jobs() {
  if (recovered_ || !tree_) co_return;
  recovered_ = true;
  const auto lines = co_await freezer_.recover(state_.config, state_.tree_path);
  for (const auto& line : lines) log(LogLevel::Warning, line);
}

void Node::launcher_lost(const Error& why) {
  if (lost_reported_) return;  // once per outage, not ten times a second
  lost_reported_ = true;
  ++state_.launcher_lost;
  log(LogLevel::Error, "the launcher is not connected: " + why.text());
  report(systemd::notify_status(status_text()));
}

void Node::job_changed(const launcher::Record& record) {
  jobs_.apply(record);
  if (record.state() != launcher::STATE_ENDED) return;
  log(LogLevel::Debug, "job " + record.id() + " ended: " + launcher::Reason_Name(record.reason()),
      {{"JOB_ID", record.id()}, {"CLASS", record.class_run()}, {"FUNCTION", record.function()}});
}

std::string Node::status_text() const {
  std::string text = std::to_string(state_.functions.size()) + " functions, " +
                     std::to_string(state_.config.classes.size()) + " classes";
  if (!launcher_.ready()) text += "; the launcher is not connected";
  if (state_.draining) text += "; draining";
  if (!state_.config_error.empty()) text += "; the last reload was refused";
  return text;
}

ClassReading Node::read_class(const config::PriceClass& price_class) {
  ClassReading reading;
  if (!tree_) return reading;
  if (const auto usage = tree_->read(price_class)) {
    reading.cpu_us = usage->cpu.count();
    reading.memory_bytes = usage->memory_bytes;
    reading.cpu_wait_us = usage->cpu_wait.count();
  }
  return reading;
}

asio::awaitable<void> Node::reload_on_hangup() {
  while (!stopping_) {
    auto [error, signal] = co_await hangup_.async_wait(use_result);
    if (error || stopping_) co_return;
    report(systemd::notify_reloading(std::chrono::steady_clock::now()));
    co_await reload();
    ++state_.reloads;
    report(systemd::notify_ready(status_text()));
  }
}

asio::awaitable<void> Node::reload() {
  auto loaded = load_settings(options_.config_path);
  if (!loaded.value) {
    state_.config_error = loaded.report;
    log(LogLevel::Error,
        "the configuration is unchanged, since the new one has errors:\n" + loaded.report);
    co_return;
  }
  auto certificates = tls_.prepare(loaded.value->config);
  if (!certificates) {
    state_.config_error = certificates.error().text();
    log(LogLevel::Error, "the configuration is unchanged: " + state_.config_error);
    co_return;
  }
  if (!loaded.report.empty()) log(LogLevel::Warning, loaded.report);
  tls_.use(std::move(*certificates));
  state_.config_needs_restart.clear();
  for (const auto& change : config::diff(state_.config, loaded.value->config))
    if (change.applies != config::Applies::Now)
      state_.config_needs_restart.push_back(change.key + ": " + change.before + " -> " +
                                            change.after);
  state_.config = config::after_reload(state_.config, loaded.value->config);
  state_.functions = std::move(loaded.value->functions);
  state_.config_error.clear();
  ++state_.config_generation;
  keep_running_config();
  server_.set_limits(server_limits(state_.config.limits));
  if (auto opened = co_await open_tree(); !opened) log(LogLevel::Error, opened.error().text());
  co_await configure_launcher();
  // Memory limit and host: through systemd, which may take long to answer.
  cpus_due_ = true;
  cpu_timer_.cancel();
  log(LogLevel::Info, "reloaded: generation " + std::to_string(state_.config_generation) + ", " +
                          std::to_string(state_.functions.size()) + " functions");
  for (const auto& text : state_.config_needs_restart)
    log(LogLevel::Warning, "takes effect at the next restart: " + text);
}

void Node::keep_running_config() {
  // Not the file: after a reload that needs a restart for some of it, neither old nor new is true.
  const std::string text = config::to_yaml(state_.config);
  const std::string fresh = std::string(kRunningConfig) + ".new";
  auto file = open_at(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!file) return;
  (void)::fchmod(file->get(), 0644);  // whatever the umask: group `tariff` compares with it
  if (::write(file->get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()))
    (void)::rename(fresh.c_str(), kRunningConfig);
}

asio::awaitable<void> Node::look_around() {
  while (!stopping_) {
    look_timer_.expires_after(tree_is_whole() ? kLookAround : kLookAgain);
    co_await look_timer_.async_wait(use_result);
    if (stopping_) co_return;
    co_await restore_tree();
    std::vector<std::string> warnings;
    if (!tree_is_whole())
      warnings.push_back("the job tree is not whole; systemctl status tariff-jobs");
    else
      for (const auto& path : tree_->foreign())
        warnings.push_back("a cgroup that is not ours is in the job tree: " + path);
    tls_.warn(warnings);
    // A class that left the configuration keeps its cgroup until its last job has ended.
    const auto removal = [path = state_.tree_path, classes = state_.config.classes] {
      auto tree = cgroup::ClassTree::open(path);
      if (tree) tree->remove_unused(classes);
      return tree.has_value();
    };
    co_await worker_.run(removal);
    for (const auto& text : warnings)
      if (std::find(state_.warnings.begin(), state_.warnings.end(), text) == state_.warnings.end())
        log(LogLevel::Warning, text);
    state_.warnings = std::move(warnings);
  }
}

asio::awaitable<void> Node::feed_watchdog() {
  const auto interval = systemd::watchdog_interval();
  if (!interval || !*interval) co_return;
  while (!stopping_) {
    report(systemd::notify_watchdog());
    watchdog_timer_.expires_after(**interval / 3);
    co_await watchdog_timer_.async_wait(use_result);
  }
}

}  // namespace tariff::agent
