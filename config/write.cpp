// SPDX-License-Identifier: Apache-2.0
#include "config/write.h"

#include "config/scalars.h"

namespace tariff::config {
namespace {

/// A single-quoted scalar, in which only the quote itself is special.
std::string in_quotes(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string line(const char* key, const std::string& value) {
  return std::string(key) + ": " + value + "\n";
}
std::string line(const char* key, std::int64_t value) { return line(key, std::to_string(value)); }
std::string line(const char* key, std::chrono::milliseconds value) {
  return line(key, duration_text(value));
}

std::string class_row(const PriceClass& row) {
  std::string out = "  - {name: " + row.name + ", price: " + row.price.text() +
                    ", fifo_priority: " + std::to_string(row.fifo_priority);
  if (row.swap_max_bytes) out += ", swap_max: " + bytes_text(*row.swap_max_bytes);
  if (row.pids_max) out += ", pids_max: " + std::to_string(*row.pids_max);
  if (row.round_robin) out += ", round_robin: true";
  return out + "}\n";
}

const char* enforcement_word(CpuEnforcement enforcement) {
  switch (enforcement) {
    case CpuEnforcement::Fifo: return "fifo";
    case CpuEnforcement::Weight: return "weight";
    case CpuEnforcement::None: return "none";
  }
  return "fifo";
}

const char* mode_word(CpuMode mode) {
  switch (mode) {
    case CpuMode::Auto: return "auto";
    case CpuMode::Reserved: return "reserved";
    case CpuMode::Shared: return "shared";
  }
  return "auto";
}

std::string fifo_section(const FifoBands& fifo) {
  return "fifo:\n" + line("  classes_low", fifo.classes_low) +
         line("  classes_high", fifo.classes_high) + line("  boost", fifo.boost) +
         line("  workers", fifo.workers) + line("  launcher", fifo.launcher) +
         line("  agent", fifo.agent);
}

std::string sockets_section(const Sockets& sockets) {
  std::string out = "sockets:\n" + line("  agent", in_quotes(sockets.agent)) +
                    line("  launcher", in_quotes(sockets.launcher));
  if (sockets.tcp_listen) out += line("  tcp_listen", in_quotes(*sockets.tcp_listen));
  return out + line("  insecure_tcp", sockets.insecure_tcp ? "true" : "false");
}

std::string tls_section(const Tls& tls) {
  std::string out = "tls:\n" + line("  listen", in_quotes(tls.listen)) +
                    line("  certificate", in_quotes(tls.certificate)) +
                    line("  key", in_quotes(tls.key)) +
                    line("  client_ca", in_quotes(tls.client_ca));
  if (!tls.crl.empty()) out += line("  crl", in_quotes(tls.crl));
  return out;
}

std::string limits_section(const Limits& limits) {
  return "limits:\n" + line("  max_frame", bytes_text(limits.max_frame_bytes)) +
         line("  max_streams_per_connection", limits.max_streams_per_connection) +
         line("  max_queued_per_connection", bytes_text(limits.max_queued_bytes_per_connection)) +
         line("  max_connections", limits.max_connections) +
         line("  max_jobs", limits.max_jobs) +
         line("  result_retention", std::chrono::milliseconds(limits.result_retention)) +
         line("  result_retention_bytes", bytes_text(limits.result_retention_bytes)) +
         line("  stderr_per_second", bytes_text(limits.stderr_bytes_per_second)) +
         line("  memory_reserve", bytes_text(limits.memory_reserve_bytes)) +
         line("  leaf_pool", limits.leaf_pool) + line("  kill_grace", limits.kill_grace);
}

}  // namespace

std::string to_yaml(const NodeConfig& node) {
  std::string out = "classes:\n";
  for (const auto& row : node.classes) out += class_row(row);
  out += line("memory_price", node.memory_price.text());
  out += line("cpu_enforcement", enforcement_word(node.cpu_enforcement));
  out += "cpus:\n" + line("  mode", mode_word(node.cpus.mode)) +
         line("  reserved", node.cpus.reserved);
  out += fifo_section(node.fifo) + sockets_section(node.sockets) + limits_section(node.limits);
  if (node.tls) out += tls_section(*node.tls);
  out += "uids:\n" + line("  first", std::int64_t{node.uids.first}) +
         line("  count", std::int64_t{node.uids.count});
  const auto& listen = node.metrics.listen;
  out += "metrics:\n" + line("  listen", listen ? in_quotes(*listen) : "'off'");
  return out + line("functions_directory", in_quotes(node.functions_directory));
}

}  // namespace tariff::config
