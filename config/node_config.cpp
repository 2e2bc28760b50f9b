// SPDX-License-Identifier: Apache-2.0
// tariffd.yaml as a whole, and its sections sockets, limits and uids.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string>

#include "config/load.h"
#include "config/scalars.h"
#include "config/sections.h"
#include "config/similar.h"
#include "config/text_checks.h"

namespace tariff::config {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

constexpr std::array kTopKeys = {"classes"sv, "memory_price"sv, "cpu_enforcement"sv,
                                 "fifo"sv,    "sockets"sv,      "tls"sv,
                                 "limits"sv,  "uids"sv,         "cpus"sv,
                                 "functions_directory"sv,
                                 "metrics"sv};
constexpr std::array kSocketKeys = {"agent"sv, "launcher"sv, "tcp_listen"sv, "insecure_tcp"sv};
constexpr std::array kUidKeys = {"first"sv, "count"sv};
constexpr std::array kMetricsKeys = {"listen"sv};
constexpr std::array kEnforcements = {"fifo"sv, "weight"sv, "none"sv};
constexpr std::array kCpuKeys = {"mode"sv, "reserved"sv};
constexpr std::array kCpuModes = {"auto"sv, "reserved"sv, "shared"sv};
constexpr std::array kLimitKeys = {"max_frame"sv,
                                   "max_streams_per_connection"sv,
                                   "max_queued_per_connection"sv,
                                   "max_connections"sv,
                                   "max_jobs"sv,
                                   "result_retention_bytes"sv,
                                   "result_retention"sv,
                                   "stderr_per_second"sv,
                                   "memory_reserve"sv,
                                   "leaf_pool"sv,
                                   "kill_grace"sv};

constexpr std::size_t kMaxSocketPath = 107;      // sockaddr_un holds 108 with the final NUL
constexpr std::int64_t kFirstFreeUid = 100'000;  // below are the system's and people's
constexpr std::int64_t kLastUid = 2'147'483'647;  // above, programs that use int for uids break
constexpr std::uint64_t kTib = std::uint64_t{1} << 40;
constexpr std::uint64_t kMaxFrame = 4'194'304;  // ttrpc's messageLengthMax

void check_tcp(const Fields& fields, const Sockets& sockets, Report& report) {
  const auto at = fields.at("tcp_listen");
  if (!sockets.tcp_listen) {
    if (sockets.insecure_tcp)
      report.warning(fields.at("insecure_tcp"),
                     "'insecure_tcp' has no effect without 'tcp_listen'");
    return;
  }
  const auto endpoint = parse_endpoint(*sockets.tcp_listen);
  if (!endpoint)
    report.error(at, "'tcp_listen': '" + *sockets.tcp_listen + "' is not ADDRESS:PORT",
                 "write a numeric address: 127.0.0.1:7070 or \"[::1]:7070\"");
  else if (!endpoint->loopback)
    report.error(at, "'tcp_listen': " + endpoint->address + " is not a loopback address",
                 "TCP has no authentication: use 127.0.0.1 or [::1], or a tls section");
  if (!sockets.insecure_tcp)
    report.error(at, "'tcp_listen' needs 'insecure_tcp: true'",
                 "every local user can place functions through it; set it if that is meant");
}

UidRange read_uids(const Value& section, Report& report) {
  Fields fields(section, "uids", kUidKeys, report);
  UidRange out;
  if (fields.find("first")) fields.read_integer("first", {kFirstFreeUid, kLastUid}, out.first);
  if (fields.find("count")) fields.read_integer("count", {1, kLastUid}, out.count);
  const std::int64_t last = std::int64_t{out.first} + out.count - 1;
  if (last > kLastUid)
    report.error(fields.at("count"),
                 "the range ends at uid " + std::to_string(last) + ", above " +
                     std::to_string(kLastUid),
                 "use a smaller 'first' or 'count'");
  return out;
}

Metrics read_metrics(const Value& section, Report& report) {
  Fields fields(section, "metrics", kMetricsKeys, report);
  Metrics out;
  std::string text;
  if (!fields.read_text("listen", text)) return out;
  out.listen = text;
  const auto at = fields.at("listen");
  if (text == "off") {
    out.listen.reset();
  } else if (text.starts_with('/')) {
    read_path(fields, "listen", text, report);
    if (text.size() > kMaxSocketPath)
      report.error(at, "'listen' has " + std::to_string(text.size()) +
                           " bytes, a socket's path at most " + std::to_string(kMaxSocketPath));
  } else if (const auto endpoint = parse_endpoint(text); !endpoint) {
    report.error(at, "'listen': '" + text + "' is not ADDRESS:PORT, a path or off",
                 "write 127.0.0.1:9464, \"[::1]:9464\", /run/tariff/metrics.sock or off");
  } else if (!endpoint->loopback) {
    report.error(at, "'listen': " + endpoint->address + " is not a loopback address",
                 "the page asks nobody who they are: use 127.0.0.1 or [::1], and a proxy");
  }
  return out;
}

Cpus read_cpus(const Value& section, Report& report) {
  Fields fields(section, "cpus", kCpuKeys, report);
  Cpus out;
  std::string word;
  if (fields.read_text("mode", word)) {
    if (word == "auto") out.mode = CpuMode::Auto;
    else if (word == "reserved") out.mode = CpuMode::Reserved;
    else if (word == "shared") out.mode = CpuMode::Shared;
    else
      report.error(fields.at("mode"), "'mode': unknown way '" + word + "'",
                   suggestion(word, kCpuModes));
  }
  if (fields.find("reserved")) fields.read_integer("reserved", {1, 1'024}, out.reserved);
  return out;
}

CpuEnforcement read_enforcement(Fields& top, Report& report) {
  std::string word = "fifo";
  top.read_text("cpu_enforcement", word);
  if (word == "fifo") return CpuEnforcement::Fifo;
  if (word == "weight") return CpuEnforcement::Weight;
  if (word == "none") return CpuEnforcement::None;
  report.error(top.at("cpu_enforcement"), "'cpu_enforcement': unknown way '" + word + "'",
               suggestion(word, kEnforcements));
  return CpuEnforcement::Fifo;
}

/// Rules between sections.
void check_together(const NodeConfig& node, const Value& uids, const Value& limits,
                    Report& report) {
  if (node.uids.count >= static_cast<std::uint32_t>(node.limits.max_jobs)) return;
  const Entry* count = find_entry(uids, "count");
  const Entry* jobs = find_entry(limits, "max_jobs");
  const Entry* written = count != nullptr ? count : jobs;
  report.error(written == nullptr ? Position{} : written->value.position,
               "uids.count (" + std::to_string(node.uids.count) + ") is below limits.max_jobs (" +
                   std::to_string(node.limits.max_jobs) + ")",
               "each running job has a uid of its own");
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_integer(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65'535) return std::nullopt;
  std::string address(text.substr(0, colon));
  in_addr four{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1)
    return Endpoint{address, ntohl(four.s_addr) >> 24 == 127};
  if (address.size() < 2 || address.front() != '[' || address.back() != ']') return std::nullopt;
  address = address.substr(1, address.size() - 2);
  in6_addr six{};
  if (::inet_pton(AF_INET6, address.c_str(), &six) != 1) return std::nullopt;
  return Endpoint{address, IN6_IS_ADDR_LOOPBACK(&six) != 0};
}

Sockets read_sockets(const Value& section, Report& report) {
  Fields fields(section, "sockets", kSocketKeys, report);
  Sockets out;
  const std::pair<std::string_view, std::string*> paths[] = {{"agent", &out.agent},
                                                             {"launcher", &out.launcher}};
  for (const auto& [key, path] : paths) {
    if (!read_path(fields, key, *path, report)) continue;
    if (path->size() > kMaxSocketPath)
      report.error(fields.at(key),
                   "'" + std::string(key) + "' has " + std::to_string(path->size()) +
                       " bytes, a socket's path at most " + std::to_string(kMaxSocketPath));
  }
  if (out.agent == out.launcher)
    report.error(fields.at(fields.find("launcher") != nullptr ? "launcher" : "agent"),
                 "'agent' and 'launcher' are the same socket", "they are two services");
  std::string tcp;
  if (fields.read_text("tcp_listen", tcp)) out.tcp_listen = tcp;
  fields.read_boolean("insecure_tcp", out.insecure_tcp);
  check_tcp(fields, out, report);
  return out;
}

Limits read_limits(const Value& section, Report& report) {
  Fields fields(section, "limits", kLimitKeys, report);
  Limits out;
  fields.read_bytes("max_frame", {65'536, kMaxFrame}, out.max_frame_bytes);
  fields.read_integer("max_streams_per_connection", {1, 65'536}, out.max_streams_per_connection);
  fields.read_bytes("max_queued_per_connection", {65'536, kTib},
                    out.max_queued_bytes_per_connection);
  fields.read_integer("max_connections", {1, 65'536}, out.max_connections);
  fields.read_integer("max_jobs", {1, 1'000'000}, out.max_jobs);
  fields.read_bytes("result_retention_bytes", {0, kTib}, out.result_retention_bytes);
  std::chrono::milliseconds retention = out.result_retention;
  if (fields.read_duration("result_retention", {0ms, 24h}, retention)) {
    out.result_retention = std::chrono::duration_cast<std::chrono::seconds>(retention);
    if (out.result_retention != retention)
      report.error(fields.at("result_retention"), "'result_retention' is not in whole seconds");
  }
  fields.read_bytes("stderr_per_second", {0, kTib}, out.stderr_bytes_per_second);
  fields.read_bytes("memory_reserve", {0, 64 * kTib}, out.memory_reserve_bytes);
  fields.read_integer("leaf_pool", {0, 1'024}, out.leaf_pool);
  fields.read_duration("kill_grace", {0ms, 10min}, out.kill_grace);
  if (out.max_queued_bytes_per_connection < out.max_frame_bytes)
    report.error(fields.at("max_queued_per_connection"),
                 "'max_queued_per_connection' (" +
                     bytes_text(out.max_queued_bytes_per_connection) + ") is below 'max_frame' (" +
                     bytes_text(out.max_frame_bytes) + ")",
                 "a connection must be able to hold one reply");
  return out;
}

Loaded<NodeConfig> parse_node_config(std::string_view text, const std::string& name,
                                     const TlsCheck& check) {
  text = without_byte_order_mark(text);
  Report report(name, text);
  const auto root = parse_document(text, report);
  if (!root) return {std::nullopt, std::move(report).take()};

  static const Value kNothing;
  Fields top(*root, "the file", kTopKeys, report);
  const auto section = [&top](std::string_view key) -> const Value& {
    const Value* found = top.map(key);
    return found == nullptr ? kNothing : *found;
  };
  NodeConfig node;
  top.read_price("memory_price", node.memory_price);
  node.cpu_enforcement = read_enforcement(top, report);
  read_path(top, "functions_directory", node.functions_directory, report);
  node.sockets = read_sockets(section("sockets"), report);
  node.tls = read_tls(top.map("tls"), check, report);
  node.limits = read_limits(section("limits"), report);
  node.uids = read_uids(section("uids"), report);
  node.metrics = read_metrics(section("metrics"), report);
  node.cpus = read_cpus(section("cpus"), report);
  const std::size_t errors_before = report.errors();
  node.fifo = read_fifo(section("fifo"), report);
  const FifoBands* bands = report.errors() > errors_before ? nullptr : &node.fifo;
  node.classes = read_classes(top.list("classes"), bands, report);
  check_together(node, section("uids"), section("limits"), report);

  Loaded<NodeConfig> out;
  if (!report.has_errors()) out.value = std::move(node);
  out.diagnostics = std::move(report).take();
  return out;
}

}  // namespace tariff::config
