// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "ipc/proto/agent.pb.h"

namespace tariff::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// The page under way: families in the order they are added.
class Page {
 public:
  MetricFamily& family(const char* name, MetricType type, const char* help) {
    return families_.emplace_back(MetricFamily{std::string("tariff_") + name, help, type, {}});
  }
  void gauge(const char* name, const char* help, double value, Labels labels = {}) {
    add(family(name, MetricType::Gauge, help), value, std::move(labels));
  }
  void counter(const char* name, const char* help, double value) {
    add(family(name, MetricType::Counter, help), value, {});
  }
  static void add(MetricFamily& family, double value, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family.type == MetricType::Counter) metric.counter.value = value;
    else metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  static void add(MetricFamily& family, const Histogram& histogram, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.histogram.sample_count = histogram.count();
    metric.histogram.sample_sum = histogram.sum();
    for (std::size_t i = 0; i < histogram.bounds().size(); ++i)
      metric.histogram.bucket.push_back({histogram.cumulative(i), histogram.bounds()[i]});
    family.metric.push_back(std::move(metric));
  }
  [[nodiscard]] std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  std::vector<MetricFamily> families_;
};

/// "END_REASON_OUT_OF_MEMORY" -> "out_of_memory"; empty for a number that is no reason.
std::string reason_word(std::size_t reason) {
  constexpr std::string_view kPrefix = "END_REASON_";
  std::string name = v1::EndReason_Name(static_cast<v1::EndReason>(reason));
  if (!name.starts_with(kPrefix)) return {};
  name.erase(0, kPrefix.size());
  for (char& c : name) c = c == '_' ? '_' : static_cast<char>(c - 'A' + 'a');
  return name;
}

void add_node(Page& page, const MetricsSnapshot& node, const MemoryFigures& memory) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  page.gauge("build_info", "Versions that run; always 1.", 1,
             {{"version", node.version},
              {"launcher_version", node.launcher_version},
              {"cpu_enforcement", node.cpu_enforcement}});
  page.gauge("start_time_seconds", "When the agent started, in seconds since 1970.",
             static_cast<double>(node.started_unix_s));
  page.gauge("launcher_connected", "1 while the launcher is connected; else nothing can be placed.",
             node.launcher_connected);
  page.counter("launcher_lost_total", "How often the connection to the launcher was lost.",
               number(node.launcher_lost));
  page.gauge("draining", "1 while placements are refused for a drain.", node.draining);
  page.gauge("config_generation", "Configurations applied since the agent started.",
             number(node.config_generation));
  page.gauge("config_last_reload_successful", "0 if the last reload was refused.",
             !node.config_error);
  page.gauge("config_needs_restart", "Changed settings that wait for a restart.",
             number(node.config_needs_restart));
  page.gauge("insecure_tcp", "1 while TCP without authentication is served.", node.insecure_tcp);
  page.gauge("warnings", "Warnings that tariffctl status shows.", number(node.warnings));
  page.gauge("connections", "Callers connected to the agent.", number(node.connections));
  page.gauge("functions", "Functions that may run here.", number(node.functions));
  page.gauge("cpus", "CPUs online.", node.cpus);
  page.gauge("records_kept", "Records of jobs, under way or ended and not acknowledged.",
             number(node.jobs_kept));
  page.gauge("jobs_limit", "limits.max_jobs: how many jobs may be placed at a time.",
             number(node.max_jobs));
  page.gauge("memory_total_bytes", "RAM of the machine.", number(memory.total_bytes));
  page.gauge("memory_available_bytes", "RAM that can be had without swapping.",
             number(memory.available_bytes));
  page.gauge("job_memory_limit_bytes", "What all jobs together may use.",
             number(node.job_memory_max_bytes));
  auto& refused = page.family("placements_refused_total", MetricType::Counter,
                              "Placements refused, by reason.");
  for (const auto& row : node.refused)
    Page::add(refused, number(row.count), {{"reason", row.reason}});
}

/// One family with one number per class.
template <typename Value>
void per_class(Page& page, const MetricsSnapshot& node, const char* name, MetricType type,
               const char* help, Value value) {
  auto& family = page.family(name, type, help);
  for (std::size_t i = 0; i < node.classes.size(); ++i)
    Page::add(family, static_cast<double>(value(i)), {{"class", node.classes[i].name}});
}

void add_loads(Page& page, const MetricsSnapshot& node) {
  const auto& rows = node.classes;
  constexpr auto kGauge = MetricType::Gauge;
  per_class(page, node, "class_rank", kGauge, "Rank of the class; 1 is the cheapest.",
            [&](std::size_t i) { return rows[i].rank; });
  per_class(page, node, "class_price_microcents", kGauge, "Price of a CPU-second in micro-cents.",
            [&](std::size_t i) { return rows[i].price; });
  per_class(page, node, "jobs_running", kGauge, "Jobs that have a CPU or do not want one.",
            [&](std::size_t i) { return rows[i].running; });
  per_class(page, node, "jobs_waiting", kGauge, "Jobs that want a CPU and have none.",
            [&](std::size_t i) { return rows[i].waiting; });
  per_class(page, node, "jobs_swapped", kGauge, "Jobs that are swapped out.",
            [&](std::size_t i) { return rows[i].swapped; });
  per_class(page, node, "placements_accepted_total", MetricType::Counter, "Jobs accepted.",
            [&](std::size_t i) { return rows[i].accepted; });
}

void add_use(Page& page, const MetricsSnapshot& node, const std::vector<ClassCgroup>& cgroups) {
  const auto& rows = node.classes;
  const auto seconds = [](std::chrono::microseconds time) {
    return static_cast<double>(time.count()) / 1e6;
  };
  constexpr auto kCounter = MetricType::Counter;
  per_class(page, node, "cpu_seconds_total", kCounter, "CPU time of the class's cgroup.",
            [&](std::size_t i) { return seconds(cgroups[i].cpu); });
  per_class(page, node, "memory_bytes", MetricType::Gauge, "Memory of the class's cgroup.",
            [&](std::size_t i) { return cgroups[i].memory_bytes; });
  per_class(page, node, "swap_bytes", MetricType::Gauge, "Swap of the class's cgroup.",
            [&](std::size_t i) { return cgroups[i].swap_bytes; });
  auto& pressure = page.family("pressure_seconds_total", kCounter,
                               "Time in which some task of the class lacked the resource.");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Page::add(pressure, seconds(cgroups[i].cpu_pressure),
              {{"class", rows[i].name}, {"resource", "cpu"}});
    Page::add(pressure, seconds(cgroups[i].memory_pressure),
              {{"class", rows[i].name}, {"resource", "memory"}});
  }
  per_class(page, node, "billed_cpu_seconds_total", kCounter, "CPU time of ended jobs.",
            [&](std::size_t i) { return rows[i].ended.cpu_seconds; });
  per_class(page, node, "billed_memory_byte_seconds_total", kCounter,
            "Resident memory of ended jobs over time.",
            [&](std::size_t i) { return rows[i].gb_seconds * 1e9; });
  per_class(page, node, "billed_cost_microcents_total", kCounter, "Cost of ended jobs.",
            [&](std::size_t i) { return rows[i].cost; });
}

void add_ended(Page& page, const MetricsSnapshot& node) {
  auto& ended = page.family("jobs_ended_total", MetricType::Counter,
                            "Jobs ended, by reason; ok is exit status 0, exited another status.");
  for (const auto& row : node.classes) {
    Page::add(ended, static_cast<double>(row.ended.ok), {{"class", row.name}, {"reason", "ok"}});
    for (std::size_t reason = 1; reason < kEndReasons; ++reason)
      if (auto word = reason_word(reason); !word.empty())
        Page::add(ended, static_cast<double>(row.ended.not_ok[reason]),
                  {{"class", row.name}, {"reason", std::move(word)}});
  }
  auto& latency = page.family("job_latency_seconds", MetricType::Histogram,
                              "Accepted to ended, of ended jobs.");
  for (const auto& row : node.classes) Page::add(latency, row.ended.latency, {{"class", row.name}});
  auto& slowdown = page.family("job_slowdown_ratio", MetricType::Histogram,
                               "Latency over latency without waiting for us; 1 is perfect.");
  for (const auto& row : node.classes)
    Page::add(slowdown, row.ended.slowdown, {{"class", row.name}});
  auto& hops = page.family("job_hop_seconds", MetricType::Histogram,
                           "Time of one step of a job: launch, first_run, initialise, execute, "
                           "finish.");
  for (const auto& row : node.classes)
    for (std::size_t hop = 0; hop < kHops; ++hop)
      Page::add(hops, row.ended.hops[hop],
                {{"class", row.name}, {"hop", std::string(name_of(static_cast<Hop>(hop)))}});
}

}  // namespace

std::string metrics_text(const MetricsSnapshot& snapshot, const std::vector<ClassCgroup>& cgroups,
                         const MemoryFigures& memory) {
  Page page;
  add_node(page, snapshot, memory);
  add_loads(page, snapshot);
  add_use(page, snapshot, cgroups);
  add_ended(page, snapshot);
  return page.text();
}

}  // namespace tariff::agent
