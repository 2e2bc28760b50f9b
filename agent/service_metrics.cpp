// SPDX-License-Identifier: Apache-2.0
// The placement service's part of the metrics: everything that the agent's loop knows.
#include "agent/class_policy.h"
#include "agent/machine.h"
#include "agent/service.h"
#include "cgroup/tree.h"

namespace tariff::agent {
namespace {

/// "REFUSAL_TOO_MANY_JOBS" -> "too_many_jobs".
std::string word_of(v1::Refusal refusal) {
  std::string name = v1::Refusal_Name(refusal).substr(std::string_view("REFUSAL_").size());
  for (char& c : name) c = c == '_' ? '_' : static_cast<char>(c - 'A' + 'a');
  return name;
}

}  // namespace

void PlacementService::fill_class(ClassFigures& row, const std::string& name) {
  const auto& totals = d_.jobs.totals(name);
  row.name = name;
  row.accepted = accepted_[name];
  row.cost = static_cast<double>(totals.cost.millionths) / 1e6;
  row.gb_seconds = totals.gb_seconds;
  row.ended = totals.figures;
}

void PlacementService::fill(MetricsSnapshot& out) {
  const auto& node = d_.node;
  const auto& loads = load();
  out.classes.clear();
  for (const auto& price_class : node.config.classes) {
    const auto& rank = loads[static_cast<std::size_t>(price_class.rank - 1)];
    auto& row = out.classes.emplace_back();
    fill_class(row, price_class.name);
    row.directory = node.tree_path + "/" + cgroup::directory_name(price_class);
    row.rank = price_class.rank;
    row.price = static_cast<double>(price_class.price.millionths) / 1e6;
    row.running = rank.running;
    row.waiting = rank.waiting;
  }
  // Counters of a class that has left the configuration stay: a counter that vanishes is a gap.
  for (const auto& [name, totals] : d_.jobs.all_totals())
    if (find_class(node.config, name) == nullptr) fill_class(out.classes.emplace_back(), name);
  out.refused.clear();
  for (int i = v1::REFUSAL_NONE + 1; v1::Refusal_IsValid(i); ++i)
    out.refused.push_back({word_of(static_cast<v1::Refusal>(i)),
                           refused_[static_cast<v1::Refusal>(i)]});
  out.version = d_.version;
  out.launcher_version = d_.launcher.launcher_version();
  out.cpu_enforcement = text_of(node.config.cpu_enforcement);
  out.launcher_connected = d_.launcher.ready();
  out.launcher_lost = node.launcher_lost;
  out.draining = node.draining;
  out.config_error = !node.config_error.empty();
  out.insecure_tcp = node.config.sockets.insecure_tcp && node.config.sockets.tcp_listen;
  out.config_generation = node.config_generation;
  out.config_needs_restart = node.config_needs_restart.size();
  out.warnings = node.warnings.size();
  out.connections = d_.server.connections();
  out.jobs_kept = d_.jobs.kept();
  out.functions = node.functions.size();
  out.max_jobs = static_cast<std::uint64_t>(node.config.limits.max_jobs);
  out.job_memory_max_bytes = node.job_memory_max;
  out.started_unix_s = started_unix_s_;
  out.cpus = online_cpus();
}

}  // namespace tariff::agent
