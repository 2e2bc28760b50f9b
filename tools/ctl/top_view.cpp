// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/top_view.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "tools/ctl/job_view.h"
#include "tools/ctl/table.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
constexpr Align kRight = Align::Right;
constexpr std::size_t kMostJobs = 50;

std::string number(std::optional<double> value, const char* unit = "") {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof text, *value >= 100 ? "%.0f%s" : "%.1f%s", *value, unit);
  return text;
}

double seconds_between(const TopSample& before, const TopSample& now) {
  return std::max(std::chrono::duration<double>(now.at - before.at).count(), 1e-3);
}

bool same_agent(const TopSample& before, const TopSample& now) {
  return before.status.uptime_ns() <= now.status.uptime_ns();
}

const v1::ClassStatus* find_row(const TopSample& sample, const std::string& name) {
  for (const auto& row : sample.status.classes())
    if (row.name() == name) return &row;
  return nullptr;
}

std::optional<double> refusals(const TopSample* before, const TopSample& now) {
  if (before == nullptr || !same_agent(*before, now)) return std::nullopt;
  return static_cast<double>(now.status.refused() - before->status.refused()) /
         seconds_between(*before, now);
}

std::string head(const TopSample* before, const TopSample& now, const std::string& trouble) {
  const auto& status = now.status;
  std::string line = "tariff " + printable(status.version()) + "  up " +
                     duration_text(nanoseconds(status.uptime_ns())) + "  " +
                     std::to_string(status.cpus()) + " CPUs  " +
                     printable(status.cpu_enforcement()) + "  " +
                     bytes_text(status.memory_free_bytes()) + " free of " +
                     bytes_text(status.memory_total_bytes()) + "  refused " +
                     number(refusals(before, now), "/s") + "\n";
  std::string alarms;
  if (!trouble.empty()) alarms += "  " + printable(trouble);
  if (!status.launcher_connected()) alarms += "  LAUNCHER NOT CONNECTED";
  if (status.draining()) alarms += "  DRAINING";
  if (!status.config_error().empty()) alarms += "  CONFIG ERROR";
  if (status.warnings_size() > 0)
    alarms += "  " + std::to_string(status.warnings_size()) + " warnings (tariffctl status)";
  return line + (alarms.empty() ? "" : alarms.substr(2)) + "\n";
}

std::string class_rows(const TopSample* before, const TopSample& now) {
  Table table({{"CLASS"}, {"RUNNING", kRight}, {"WAITING", kRight}, {"SWAPPED", kRight},
               {"DONE/s", kRight}, {"FAILED/s", kRight}, {"CPU", kRight}, {"P50", kRight},
               {"P99", kRight}, {"MEMORY", kRight}});
  const auto& classes = now.status.classes();
  std::vector<const v1::ClassStatus*> rows;
  for (const auto& row : classes) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto* a, const auto* b) { return a->rank() > b->rank(); });
  for (const auto* row : rows) {
    const auto rates = rates_of(before, now, *row);
    const auto latency = [row](std::int64_t us) {
      return row->done() == 0 ? std::string("-") : duration_text(microseconds(us));
    };
    table.add({printable(row->name()), std::to_string(row->running()),
               std::to_string(row->waiting()), std::to_string(row->swapped()),
               number(rates.done), number(rates.failed),
               number(rates.cpu_share ? std::optional(*rates.cpu_share * 100) : std::nullopt, "%"),
               latency(row->latency_p50_us()), latency(row->latency_p99_us()),
               bytes_text(row->memory_bytes())});
  }
  return table.text();
}

struct JobRow {
  const TopJob* job;
  std::optional<double> share;
};

/// Those that used most CPU since the sample before, then those that used most in all.
std::vector<JobRow> busiest(const TopSample* before, const TopSample& now) {
  std::map<std::string, std::int64_t> earlier;
  if (before != nullptr)
    for (const auto& one : before->jobs) earlier[one.job.id()] = one.cpu_us;
  std::vector<JobRow> rows;
  for (const auto& one : now.jobs) {
    JobRow row{&one, std::nullopt};
    const auto found = earlier.find(one.job.id());
    if (found != earlier.end() && found->second >= 0 && one.cpu_us >= 0)
      row.share = static_cast<double>(one.cpu_us - found->second) / 1e6 /
                  seconds_between(*before, now);
    rows.push_back(row);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const JobRow& a, const JobRow& b) {
    return std::pair(a.share.value_or(0), a.job->cpu_us) >
           std::pair(b.share.value_or(0), b.job->cpu_us);
  });
  if (rows.size() > kMostJobs) rows.resize(kMostJobs);
  return rows;
}

std::string job_rows(const TopSample* before, const TopSample& now) {
  const auto rows = busiest(before, now);
  if (rows.empty()) return "no jobs\n";
  Table table({{"CPU", kRight}, {"CPU TIME", kRight}, {"CLASS"}, {"FUNCTION"}, {"STATE"}, {"JOB"}});
  for (const auto& row : rows)
    table.add({number(row.share ? std::optional(*row.share * 100) : std::nullopt, "%"),
               row.job->cpu_us < 0 ? "-" : duration_text(microseconds(row.job->cpu_us)),
               printable(row.job->job.class_run()), printable(row.job->job.function()),
               state_words(row.job->job.state()), printable(row.job->job.id())});
  return table.text();
}

}  // namespace

ClassRates rates_of(const TopSample* before, const TopSample& now, const v1::ClassStatus& row) {
  ClassRates rates;
  const auto* old = before == nullptr ? nullptr : find_row(*before, row.name());
  if (old == nullptr) return rates;
  const double seconds = seconds_between(*before, now);
  if (row.cpu_us() >= old->cpu_us())
    rates.cpu_share = static_cast<double>(row.cpu_us() - old->cpu_us()) / 1e6 / seconds;
  if (!same_agent(*before, now)) return rates;
  rates.done = static_cast<double>(row.done() - old->done()) / seconds;
  rates.failed = static_cast<double>(row.failed() - old->failed()) / seconds;
  return rates;
}

std::string fitted(const std::string& text, Size size) {
  std::string out;
  std::size_t rows = 0;
  std::size_t columns = 0;
  for (const char c : text) {
    if (size.rows != 0 && rows == size.rows) break;
    const bool continues = (static_cast<unsigned char>(c) & 0xc0) == 0x80;  // of a UTF-8 sequence
    if (c == '\n') {
      ++rows;
      columns = 0;
    } else if (!continues) {
      ++columns;
    }
    if (c == '\n' || size.columns == 0 || columns <= size.columns) out += c;
  }
  return out;
}

std::string top_text(const TopSample* before, const TopSample& now, Size size,
                     const std::string& trouble) {
  return fitted(head(before, now, trouble) + "\n" + class_rows(before, now) + "\n" +
                    job_rows(before, now),
                size);
}

Json top_json(const TopSample* before, const TopSample& now) {
  const auto value = [](std::optional<double> rate) { return rate ? Json(*rate) : Json(nullptr); };
  Json classes = Json::array();
  for (const auto& row : now.status.classes()) {
    const auto rates = rates_of(before, now, row);
    Json entry = to_json(row);
    entry["done_per_second"] = value(rates.done);
    entry["failed_per_second"] = value(rates.failed);
    entry["cpus_used"] = value(rates.cpu_share);
    classes.push_back(std::move(entry));
  }
  Json jobs = Json::array();
  for (const auto& row : busiest(before, now))
    jobs.push_back({{"id", row.job->job.id()},
                    {"function", row.job->job.function()},
                    {"class", row.job->job.class_run()},
                    {"cpu_us", row.job->cpu_us},
                    {"cpus_used", value(row.share)}});
  return Json{{"classes", std::move(classes)},
              {"refused_per_second", value(refusals(before, now))},
              {"jobs", std::move(jobs)}};
}

}  // namespace tariff::ctl
