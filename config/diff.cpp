// SPDX-License-Identifier: Apache-2.0
#include "config/diff.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "config/scalars.h"

namespace tariff::config {
namespace {

std::string text(const std::string& value) { return value; }
std::string text(int value) { return std::to_string(value); }
std::string text(std::uint32_t value) { return std::to_string(value); }
std::string text(bool value) { return value ? "true" : "false"; }
std::string text(Price value) { return value.text(); }
std::string text(std::chrono::milliseconds value) { return duration_text(value); }
std::string text(CpuEnforcement value) {
  switch (value) {
    case CpuEnforcement::Fifo: return "fifo";
    case CpuEnforcement::Weight: return "weight";
    case CpuEnforcement::None: return "none";
  }
  return "?";
}

std::string text(CpuMode value) {
  switch (value) {
    case CpuMode::Auto: return "auto";
    case CpuMode::Reserved: return "reserved";
    case CpuMode::Shared: return "shared";
  }
  return "?";
}

/// Marks a number of bytes, which is a plain integer in the schema.
struct Size {
  std::uint64_t bytes;
  bool operator==(const Size&) const = default;
};
std::string text(Size value) { return bytes_text(value.bytes); }

class Changes {
 public:
  template <typename T>
  void compare(std::string key, const T& before, const T& after, Applies applies) {
    if (before == after) return;
    list_.push_back({std::move(key), text(before), text(after), applies});
  }

  void size(std::string key, std::uint64_t before, std::uint64_t after, Applies applies) {
    compare(std::move(key), Size{before}, Size{after}, applies);
  }

  void add(Change change) { list_.push_back(std::move(change)); }
  std::vector<Change> take() && { return std::move(list_); }

 private:
  std::vector<Change> list_;
};

std::string limit_text(const std::optional<std::uint64_t>& value, bool size) {
  if (!value) return "no limit";
  return size ? bytes_text(*value) : std::to_string(*value);
}

std::string row_text(const PriceClass& row) {
  return "price " + row.price.text() + ", fifo_priority " + std::to_string(row.fifo_priority);
}

const PriceClass* find_class(const std::vector<PriceClass>& classes, const std::string& name) {
  const auto found = std::find_if(classes.begin(), classes.end(),
                                  [&name](const PriceClass& row) { return row.name == name; });
  return found == classes.end() ? nullptr : &*found;
}

void compare_class(const PriceClass& before, const PriceClass& after, Changes& out) {
  const std::string prefix = "classes." + after.name + ".";
  out.compare(prefix + "price", before.price, after.price, Applies::Now);
  out.compare(prefix + "rank", before.rank, after.rank, Applies::Now);
  out.compare(prefix + "fifo_priority", before.fifo_priority, after.fifo_priority, Applies::Now);
  out.compare(prefix + "swap_max", limit_text(before.swap_max_bytes, true),
              limit_text(after.swap_max_bytes, true), Applies::Now);
  out.compare(prefix + "pids_max", limit_text(before.pids_max, false),
              limit_text(after.pids_max, false), Applies::Now);
  out.compare(prefix + "round_robin", before.round_robin, after.round_robin, Applies::Now);
}

void compare_classes(const NodeConfig& before, const NodeConfig& after, Changes& out) {
  for (const auto& row : before.classes)
    if (find_class(after.classes, row.name) == nullptr)
      out.add({"classes." + row.name, row_text(row), "", Applies::Now});
  for (const auto& row : after.classes) {
    const PriceClass* old = find_class(before.classes, row.name);
    if (old == nullptr) out.add({"classes." + row.name, "", row_text(row), Applies::Now});
    else compare_class(*old, row, out);
  }
}

void compare_fifo(const FifoBands& before, const FifoBands& after, Changes& out) {
  out.compare("fifo.classes_low", before.classes_low, after.classes_low, Applies::Now);
  out.compare("fifo.classes_high", before.classes_high, after.classes_high, Applies::Now);
  out.compare("fifo.boost", before.boost, after.boost, Applies::Now);
  out.compare("fifo.workers", before.workers, after.workers, Applies::Now);
  out.compare("fifo.launcher", before.launcher, after.launcher, Applies::LauncherRestart);
  out.compare("fifo.agent", before.agent, after.agent, Applies::AgentRestart);
}

void compare_sockets(const Sockets& before, const Sockets& after, Changes& out) {
  out.compare("sockets.agent", before.agent, after.agent, Applies::AgentRestart);
  out.compare("sockets.launcher", before.launcher, after.launcher, Applies::LauncherRestart);
  out.compare("sockets.tcp_listen", before.tcp_listen.value_or("none"),
              after.tcp_listen.value_or("none"), Applies::AgentRestart);
  out.compare("sockets.insecure_tcp", before.insecure_tcp, after.insecure_tcp,
              Applies::AgentRestart);
}

void compare_tls(const std::optional<Tls>& before, const std::optional<Tls>& after, Changes& out) {
  const Tls none;
  const Tls& old = before ? *before : none;
  const Tls& fresh = after ? *after : none;
  const auto shown = [](const std::string& value) { return value.empty() ? "none" : value; };
  const auto now = before && after ? Applies::Now : Applies::AgentRestart;
  out.compare("tls.listen", shown(old.listen), shown(fresh.listen), Applies::AgentRestart);
  out.compare("tls.certificate", shown(old.certificate), shown(fresh.certificate), now);
  out.compare("tls.key", shown(old.key), shown(fresh.key), now);
  out.compare("tls.client_ca", shown(old.client_ca), shown(fresh.client_ca), now);
  out.compare("tls.crl", shown(old.crl), shown(fresh.crl), now);
}

void compare_limits(const Limits& before, const Limits& after, Changes& out) {
  constexpr auto kNow = Applies::Now;
  const std::chrono::milliseconds retention_before = before.result_retention;
  const std::chrono::milliseconds retention_after = after.result_retention;
  out.size("limits.max_frame", before.max_frame_bytes, after.max_frame_bytes, kNow);
  out.compare("limits.max_streams_per_connection", before.max_streams_per_connection,
              after.max_streams_per_connection, kNow);
  out.size("limits.max_queued_per_connection", before.max_queued_bytes_per_connection,
           after.max_queued_bytes_per_connection, kNow);
  out.compare("limits.max_connections", before.max_connections, after.max_connections, kNow);
  out.compare("limits.max_jobs", before.max_jobs, after.max_jobs, kNow);
  out.size("limits.result_retention_bytes", before.result_retention_bytes,
           after.result_retention_bytes, kNow);
  out.compare("limits.result_retention", retention_before, retention_after, kNow);
  out.size("limits.stderr_per_second", before.stderr_bytes_per_second,
           after.stderr_bytes_per_second, kNow);
  out.size("limits.memory_reserve", before.memory_reserve_bytes, after.memory_reserve_bytes, kNow);
  out.compare("limits.leaf_pool", before.leaf_pool, after.leaf_pool, kNow);
  out.compare("limits.kill_grace", before.kill_grace, after.kill_grace, kNow);
}

const char* applies_text(Applies applies) {
  switch (applies) {
    case Applies::Now: return "now";
    case Applies::AgentRestart: return "needs: systemctl restart tariffd";
    case Applies::LauncherRestart: return "needs: systemctl restart tariff-launcher tariffd";
  }
  return "?";
}

std::string values_text(const Change& change) {
  if (change.before.empty()) return "added: " + change.after;
  if (change.after.empty()) return "removed: " + change.before;
  return change.before + " -> " + change.after;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text + "  ";
}

}  // namespace

std::vector<Change> diff(const NodeConfig& before, const NodeConfig& after) {
  Changes out;
  compare_classes(before, after, out);
  out.compare("memory_price", before.memory_price, after.memory_price, Applies::Now);
  out.compare("cpu_enforcement", before.cpu_enforcement, after.cpu_enforcement, Applies::Now);
  out.compare("cpus.mode", before.cpus.mode, after.cpus.mode, Applies::Now);
  out.compare("cpus.reserved", before.cpus.reserved, after.cpus.reserved, Applies::Now);
  compare_fifo(before.fifo, after.fifo, out);
  compare_sockets(before.sockets, after.sockets, out);
  compare_tls(before.tls, after.tls, out);
  compare_limits(before.limits, after.limits, out);
  out.compare("uids.first", before.uids.first, after.uids.first, Applies::AgentRestart);
  out.compare("uids.count", before.uids.count, after.uids.count, Applies::AgentRestart);
  out.compare("metrics.listen", before.metrics.listen.value_or("off"),
              after.metrics.listen.value_or("off"), Applies::AgentRestart);
  out.compare("functions_directory", before.functions_directory, after.functions_directory,
              Applies::Now);
  return std::move(out).take();
}

std::vector<Change> diff(const std::vector<Function>& before, const std::vector<Function>& after) {
  std::map<std::string, std::pair<std::string, std::string>> versions;
  for (const auto& function : before) versions[function.name].first = function.version;
  for (const auto& function : after) versions[function.name].second = function.version;
  Changes out;
  for (const auto& [name, pair] : versions)
    out.compare("functions." + name, pair.first, pair.second, Applies::Now);
  return std::move(out).take();
}

NodeConfig after_reload(const NodeConfig& running, const NodeConfig& wanted) {
  NodeConfig out = wanted;
  out.fifo.launcher = running.fifo.launcher;
  out.fifo.agent = running.fifo.agent;
  out.sockets = running.sockets;
  // The port is opened at start; its certificates can be replaced while it is open.
  if (running.tls && wanted.tls) out.tls->listen = running.tls->listen;
  else out.tls = running.tls;
  out.uids = running.uids;
  out.metrics = running.metrics;
  return out;
}

std::string render(const std::vector<Change>& changes) {
  std::size_t key_width = 0;
  std::size_t value_width = 0;
  for (const auto& change : changes) {
    key_width = std::max(key_width, change.key.size());
    value_width = std::max(value_width, values_text(change).size());
  }
  std::string out;
  for (const auto& change : changes)
    out += padded(change.key, key_width) + padded(values_text(change), value_width) +
           applies_text(change.applies) + "\n";
  return out;
}

}  // namespace tariff::config
