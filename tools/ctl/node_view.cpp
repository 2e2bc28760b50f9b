// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/node_view.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "tools/ctl/table.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::string class_table(const v1::StatusReply& status) {
  std::vector<const v1::ClassStatus*> classes;
  for (const v1::ClassStatus& row : status.classes()) classes.push_back(&row);
  std::stable_sort(classes.begin(), classes.end(),
                   [](const auto* a, const auto* b) { return a->rank() > b->rank(); });
  constexpr Align kRight = Align::Right;
  Table table({{"CLASS"}, {"PRICE", kRight}, {"FIFO", kRight}, {"RUNNING", kRight},
               {"WAITING", kRight}, {"SWAPPED", kRight}, {"DONE", kRight}, {"FAILED", kRight},
               {"P50", kRight}, {"P99", kRight}, {"WAIT P99", kRight}, {"CPU", kRight},
               {"MEMORY", kRight}, {"COST", kRight}});
  const auto latency = [](const v1::ClassStatus& row, std::int64_t us) {
    return row.done() == 0 ? "-" : duration_text(microseconds(us));
  };
  for (const v1::ClassStatus* row : classes)
    table.add({printable(row->name()), printable(row->price()),
               row->fifo_priority() > 0
                   ? (row->round_robin() ? "rr " : "") + std::to_string(row->fifo_priority()) : "-",
               std::to_string(row->running()), std::to_string(row->waiting()),
               std::to_string(row->swapped()), std::to_string(row->done()),
               std::to_string(row->failed()), latency(*row, row->latency_p50_us()),
               latency(*row, row->latency_p99_us()), latency(*row, row->first_wait_p99_us()),
               duration_text(microseconds(row->cpu_us())),
               bytes_text(row->memory_bytes()),
               row->cost().empty() ? "0" : printable(row->cost())});
  return table.text();
}

std::string enforcement_words(const std::string& enforcement) {
  if (enforcement == "fifo") return "fifo (SCHED_FIFO, one priority per class)";
  if (enforcement == "weight") return "weight (SCHED_OTHER, cpu.weight by class)";
  if (enforcement == "none") return "none (SCHED_OTHER, all equal)";
  return printable(enforcement);
}

std::string launcher_words(const v1::StatusReply& status) {
  if (!status.launcher_connected())
    return "NOT CONNECTED: placements are refused (systemctl status tariff-launcher)";
  return "version " + printable(status.launcher_version()) + ", connected";
}

std::string config_words(const v1::StatusReply& status) {
  return "generation " + std::to_string(status.config_generation()) + ", " +
         std::to_string(status.functions()) + " functions";
}

std::string metrics_words(const v1::StatusReply& status) {
  const std::string where = printable(status.metrics_listen());
  if (where.empty()) return "not served";
  if (where.starts_with('/')) return where + " (HTTP on a Unix socket)";
  return "http://" + where + "/metrics";
}

/// "reserved: jobs on 1-3, all else on 0 (4 CPUs online, ...)"; an agent of before does not say.
std::string cpu_words(const v1::StatusReply& status) {
  const std::string why = " (" + printable(status.cpu_reason()) + ")";
  if (status.cpu_mode() == "reserved")
    return "reserved: jobs on " + printable(status.class_cpus()) + ", all else on " +
           printable(status.system_cpus()) + why;
  return printable(status.cpu_mode()) + ": jobs and all else on " +
         printable(status.class_cpus()) + why;
}

std::string host_words(const v1::StatusReply& status) {
  std::string text = std::to_string(status.host_changes()) + " settings of this machine changed";
  if (status.host_changes_refused() > 0)
    text += ", " + std::to_string(status.host_changes_refused()) + " refused by the kernel";
  return text + " (/run/tariff/host-changes.json)";
}

std::string tls_words(const v1::StatusReply& status) {
  const std::time_t end = status.certificate_expires_unix_ns() / 1'000'000'000;
  std::tm parts{};
  char day[16] = "?";
  if (::gmtime_r(&end, &parts) != nullptr) (void)std::strftime(day, sizeof day, "%Y-%m-%d", &parts);
  return printable(status.tls_listen()) + ", " + std::to_string(status.tls_connections()) +
         " connected, certificate until " + day + "; " +
         std::to_string(status.tls_handshakes_failed()) + " handshakes failed, " +
         std::to_string(status.tls_refused()) + " connections refused";
}

void add_troubles(Table& node, const v1::StatusReply& status) {
  if (!status.config_error().empty())
    node.add({"config error", printable(status.config_error()) + " (the last good one is in use)"});
  for (const std::string& name : status.config_needs_restart())
    node.add({"needs restart", printable(name)});
  if (!status.tls_listen().empty()) node.add({"TLS", tls_words(status)});
  if (status.insecure_tcp())
    node.add({"INSECURE TCP", printable(status.tcp_listen()) +
                                  ": no authentication there"});
  for (const std::string& warning : status.warnings()) node.add({"warning", printable(warning)});
}

}  // namespace

std::string status_text(const v1::StatusReply& status) {
  Table node({{""}, {""}});
  node.add({"agent", "version " + printable(status.version()) + ", up " +
                         duration_text(nanoseconds(status.uptime_ns()))});
  node.add({"launcher", launcher_words(status)});
  node.add({"placements", status.draining() ? "refused: DRAINING (tariffctl drain --undo)"
                                            : "accepted"});
  node.add({"CPU", std::to_string(status.cpus()) + " CPUs, enforcement " +
                       enforcement_words(status.cpu_enforcement())});
  if (!status.cpu_mode().empty()) node.add({"CPUs", cpu_words(status)});
  if (status.host_changes() > 0) node.add({"host", host_words(status)});
  node.add({"memory", bytes_text(status.memory_free_bytes()) + " free of " +
                          bytes_text(status.memory_total_bytes()) + ", jobs at most " +
                          bytes_text(status.job_memory_max_bytes())});
  node.add({"config", config_words(status)});
  node.add({"clients", std::to_string(status.connections()) + " connected, " +
                           std::to_string(status.refused()) + " placements refused"});
  node.add({"metrics", metrics_words(status)});
  add_troubles(node, status);
  return class_table(status) +
         "prices in micro-cents per CPU-second, costs in micro-cents since the agent started\n\n" +
         node.text();
}

std::string poll_text(const v1::PollReply& poll) {
  Table table({{"CLASS"}, {"RUNNING", Align::Right}, {"WAITING", Align::Right},
               {"SWAPPED", Align::Right}});
  for (int i = poll.classes_size() - 1; i >= 0; --i) {
    const v1::ClassLoad& row = poll.classes(i);
    table.add({printable(row.price_class()), std::to_string(row.running()),
               std::to_string(row.waiting()), std::to_string(row.swapped())});
  }
  return table.text() + bytes_text(poll.memory_free_bytes()) + " free" +
         (poll.draining() ? ", DRAINING" : "") + "\n";
}

std::string functions_text(const v1::FunctionsReply& functions) {
  if (functions.functions_size() == 0)
    return "no functions (an administrator puts them into /etc/tariff/functions.d)\n";
  Table table({{"FUNCTION"}, {"CLASS"}, {"OWNER"}, {"TIMEOUT", Align::Right},
               {"CPU TIMEOUT", Align::Right}, {"MEMORY MAX", Align::Right},
               {"RESULT MAX", Align::Right}, {"VERSION"}, {"COMMAND"}, {"SOURCE"}});
  const auto limit = [](std::int64_t ms) {
    return ms > 0 ? duration_text(milliseconds(ms)) : std::string("-");
  };
  for (const v1::FunctionInfo& row : functions.functions()) {
    std::string command;
    for (const std::string& word : row.argv())
      command += (command.empty() ? "" : " ") + printable(word);
    table.add({printable(row.name()), printable(row.price_class()), printable(row.owner()),
               limit(row.timeout_ms()), limit(row.cpu_timeout_ms()),
               row.memory_max_bytes() > 0 ? bytes_text(row.memory_max_bytes()) : "-",
               bytes_text(row.result_max_bytes()), printable(row.version()), command,
               printable(row.source())});
  }
  return table.text();
}

int jobs_on(const v1::PollReply& poll) {
  int jobs = 0;
  for (const v1::ClassLoad& row : poll.classes())
    jobs += row.running() + row.waiting() + row.swapped();
  return jobs;
}

std::string load_text(const v1::PollReply& poll) {
  int running = 0, waiting = 0, swapped = 0;
  for (const v1::ClassLoad& row : poll.classes()) {
    running += row.running();
    waiting += row.waiting();
    swapped += row.swapped();
  }
  return std::to_string(running) + " running, " + std::to_string(waiting) + " waiting, " +
         std::to_string(swapped) + " swapped; " + bytes_text(poll.memory_free_bytes()) + " free";
}

}  // namespace tariff::ctl
