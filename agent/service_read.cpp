// SPDX-License-Identifier: Apache-2.0
// The reading half of the placement service: lists, loads, status, watches.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "agent/class_policy.h"
#include "agent/machine.h"
#include "agent/priorities.h"
#include "agent/records.h"
#include "agent/service.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;

constexpr int kLongestPage = 1'000;
// A record is below 1 KiB; a page must fit one frame with room to spare (ttrpc: 4 MiB).
constexpr std::size_t kLargestPage = 2'000'000;
// The load is read from /proc of every runnable job: for all askers at most four times a second.
constexpr auto kLoadAge = 250ms;
constexpr int kSentAtOnce = 64;  // events to one watcher before others of the loop have their turn

}  // namespace

const char* text_of(config::CpuEnforcement enforcement) {
  switch (enforcement) {
    case config::CpuEnforcement::Fifo: return "fifo";
    case config::CpuEnforcement::Weight: return "weight";
    case config::CpuEnforcement::None: return "none";
  }
  return "";
}

v1::Job PlacementService::shown(const launcher::Record& record) const {
  v1::Job job = api_job(record);
  job.set_frozen(d_.jobs.frozen_leaf(record.leaf()));
  return job;
}

const std::vector<RankLoad>& PlacementService::load() {
  const auto now = std::chrono::steady_clock::now();
  const auto& classes = d_.node.config.classes;
  if (load_.size() == classes.size() && now - load_taken_ < kLoadAge) return load_;
  std::vector<JobSample> samples;
  for (const auto* record : d_.jobs.live_records()) {
    const auto* price_class = find_class(d_.node.config, record->class_run());
    if (price_class == nullptr) continue;
    const bool has_run = record->first_ran_ns() != 0;
    samples.push_back({price_class->rank, has_run,
                       has_run ? read_process_state(record->pid()) : 'R'});
  }
  const auto cpus = d_.node.cpus.classes.size();
  load_ = split_load(samples, static_cast<int>(classes.size()),
                     cpus == 0 ? online_cpus() : static_cast<int>(cpus));
  load_taken_ = now;
  return load_;
}

v1::PollReply PlacementService::poll() {
  v1::PollReply reply;
  const auto& loads = load();
  for (const auto& price_class : d_.node.config.classes) {
    const auto& rank = loads[static_cast<std::size_t>(price_class.rank - 1)];
    auto& entry = *reply.add_classes();
    entry.set_price_class(price_class.name);
    entry.set_running(rank.running);
    entry.set_waiting(rank.waiting);
  }
  std::uint64_t free = read_memory().available;
  if (const auto most = d_.node.job_memory_max; most != 0) {
    const auto used = read_memory_current(d_.node.tree_path);
    free = std::min(free, most > used ? most - used : 0);
  }
  reply.set_memory_free_bytes(free);
  reply.set_draining(d_.node.draining);
  return reply;
}

PlacementService::Answer<v1::ListReply> PlacementService::list(const v1::ListRequest& request) {
  std::uint64_t before = 0;
  const auto& token = request.page_token();
  if (!token.empty()) {
    const auto parsed = std::from_chars(token.data(), token.data() + token.size(), before);
    if (parsed.ec != std::errc() || parsed.ptr != token.data() + token.size() || before == 0)
      co_return Error{ErrorKind::InvalidArgument, "page_token is not one that List returned", {}};
  }
  if (request.limit() < 0 || request.limit() > kLongestPage)
    co_return Error{ErrorKind::InvalidArgument, "limit must be between 0 and 1000", {}};
  const int limit = request.limit() == 0 ? kLongestPage : request.limit();
  v1::ListReply reply;
  std::size_t bytes = 0;
  d_.jobs.newest_first(before, [&](std::uint64_t order, const launcher::Record& record) {
    if (!request.price_class().empty() && record.class_run() != request.price_class()) return true;
    if (!request.function().empty() && record.function() != request.function()) return true;
    if (!request.ended() && record.state() == launcher::STATE_ENDED) return true;
    if (reply.jobs_size() == limit || bytes > kLargestPage) {
      reply.set_next_page_token(std::to_string(order + 1));
      return false;
    }
    *reply.add_jobs() = shown(record);
    bytes += reply.jobs(reply.jobs_size() - 1).ByteSizeLong();
    return true;
  });
  co_return reply;
}

PlacementService::Answer<v1::GetReply> PlacementService::get(const v1::GetRequest& request) {
  const auto* record = d_.jobs.find(request.id());
  if (record == nullptr) co_return co_await explain_unknown(request.id());
  v1::GetReply reply;
  *reply.mutable_job() = shown(*record);
  co_return reply;
}

PlacementService::Answer<v1::StatusReply> PlacementService::status() {
  v1::StatusReply reply;
  const auto& node = d_.node;
  reply.set_version(d_.version);
  reply.set_launcher_version(d_.launcher.launcher_version());
  reply.set_launcher_connected(d_.launcher.ready());
  reply.set_draining(node.draining);
  reply.set_insecure_tcp(node.config.sockets.insecure_tcp && node.config.sockets.tcp_listen);
  reply.set_tcp_listen(node.config.sockets.tcp_listen.value_or(""));
  reply.set_cpu_enforcement(text_of(node.config.cpu_enforcement));
  reply.set_cpus(online_cpus());
  reply.set_cpu_mode(mode_word(node.cpus));
  reply.set_system_cpus(cgroup::cpu_list(node.cpus.system));
  reply.set_class_cpus(cgroup::cpu_list(node.cpus.classes));
  reply.set_cpu_reason(node.cpus.why);
  reply.set_host_changes(static_cast<int>(node.host_changes));
  reply.set_host_changes_refused(static_cast<int>(node.host_changes_refused));
  reply.set_uptime_ns((std::chrono::steady_clock::now() - started_) / 1ns);
  reply.set_config_generation(node.config_generation);
  reply.set_reloads(node.reloads);
  reply.set_config_error(node.config_error);
  for (const auto& text : node.config_needs_restart) reply.add_config_needs_restart(text);
  for (const auto& text : node.warnings) reply.add_warnings(text);
  for (const auto& text : node.cpu_warnings) reply.add_warnings(text);
  reply.set_metrics_listen(node.metrics_listen);
  d_.tls.fill(reply);
  for (const auto& text : d_.priorities.warnings()) reply.add_warnings(text);
  const auto& loads = load();
  for (const auto& price_class : node.config.classes) {
    const auto& totals = d_.jobs.totals(price_class.name);
    const auto& rank = loads[static_cast<std::size_t>(price_class.rank - 1)];
    const auto reading = d_.read_class(price_class);
    auto& entry = *reply.add_classes();
    entry.set_name(price_class.name);
    entry.set_rank(price_class.rank);
    entry.set_price(price_class.price.text());
    entry.set_fifo_priority(price_class.fifo_priority);
    entry.set_running(rank.running);
    entry.set_waiting(rank.waiting);
    entry.set_done(totals.done);
    entry.set_failed(totals.failed);
    entry.set_latency_p50_us(totals.latency.percentile(500).count());
    entry.set_latency_p99_us(totals.latency.percentile(990).count());
    entry.set_first_wait_p50_us(totals.first_wait.percentile(500).count());
    entry.set_first_wait_p99_us(totals.first_wait.percentile(990).count());
    entry.set_cpu_wait_us(reading.cpu_wait_us);
    entry.set_round_robin(price_class.round_robin);
    entry.set_cpu_us(reading.cpu_us);
    entry.set_memory_bytes(reading.memory_bytes);
    entry.set_cost(totals.cost.text());
  }
  const auto memory = read_memory();
  reply.set_memory_total_bytes(memory.total);
  reply.set_memory_free_bytes(memory.available);
  reply.set_job_memory_max_bytes(node.job_memory_max);
  reply.set_functions(static_cast<int>(node.functions.size()));
  reply.set_connections(static_cast<int>(d_.server.connections()));
  std::uint64_t refused = 0;
  for (const auto& [why, count] : refused_) refused += count;
  reply.set_refused(refused);
  co_return reply;
}

PlacementService::Answer<v1::DrainReply> PlacementService::drain(
    const v1::DrainRequest& request) {
  d_.node.draining = !request.undrain();
  v1::DrainReply reply;
  reply.set_jobs_left(static_cast<int>(d_.jobs.live()));
  co_return reply;
}

PlacementService::Answer<v1::FunctionsReply> PlacementService::functions() {
  v1::FunctionsReply reply;
  for (const auto& [name, function] : d_.node.functions) {
    auto& info = *reply.add_functions();
    info.set_name(name);
    info.set_version(function.version);
    info.set_price_class(function.price_class);
    info.set_owner(function.owner);
    for (const auto& word : function.argv) info.add_argv(word);
    info.set_source(function.source);
    info.set_timeout_ms(function.timeout.value_or(0ms).count());
    info.set_cpu_timeout_ms(function.cpu_timeout.value_or(0ms).count());
    info.set_memory_max_bytes(function.memory_max_bytes.value_or(0));
    info.set_result_max_bytes(function.result_max_bytes);
  }
  co_return reply;
}

asio::awaitable<Status> PlacementService::watch(ipc::CallContext& call,
                                                const v1::WatchRequest& request,
                                                ipc::StreamSink& sink) {
  const auto wake = std::make_shared<asio::steady_timer>(d_.io);
  call.on_cancel = [wake] { wake->cancel(); };
  const auto log = events_;
  EventLog::Reader events(*log, request.id(), [wake] { wake->cancel(); });
  // One record at a time, between events: what waits for a reader that does not read is bounded.
  std::optional<std::uint64_t> snapshot_at;
  if (request.snapshot()) snapshot_at = 0;  // the newest first
  const auto snapshot_next = [&]() -> std::string {
    v1::WatchEvent event;
    event.set_snapshot(true);
    const auto before = *std::exchange(snapshot_at, std::nullopt);
    d_.jobs.newest_first(before, [&](std::uint64_t order, const launcher::Record& record) {
      snapshot_at = order;
      if (!request.id().empty() && record.id() != request.id()) return true;
      *event.mutable_job() = shown(record);
      return false;
    });
    return event.has_job() ? event.SerializeAsString() : std::string();
  };
  for (int sent_at_once = 0; !sink.gone();) {
    std::string message;
    if (auto next = events.next()) {
      v1::WatchEvent lost;
      lost.set_missed(next->missed);
      // Protobuf: two messages in a row are one with the fields of both.
      message = std::move(next->body) + lost.SerializeAsString();
    } else if (snapshot_at) {
      message = snapshot_next();
      if (message.empty()) continue;
    } else {
      sent_at_once = 0;
      wake->expires_at(asio::steady_timer::time_point::max());
      co_await wake->async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    if (auto sent = co_await sink.send(std::move(message)); !sent) co_return sent;
    if (++sent_at_once % kSentAtOnce == 0) co_await asio::post(d_.io, asio::use_awaitable);
  }
  co_return ok();  // nobody reads it any more
}

}  // namespace tariff::agent
