// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/job_view.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/ctl/table.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr int kBarWidth = 30;

std::string money_text(const std::string& micro_cents) {
  return (micro_cents.empty() ? "0" : printable(micro_cents)) + " micro-cents";
}

std::string dash_if_empty(const std::string& text) {
  return text.empty() ? "-" : printable(text);
}

bool ended(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_ENDED || job.state() == v1::JOB_STATE_EXPIRED;
}

std::string class_text(const v1::Job& job) {
  std::string text = printable(job.class_run());
  std::string rest;
  if (job.class_asked() != job.class_run()) rest += "asked " + printable(job.class_asked());
  if (!job.class_billed().empty() && job.class_billed() != job.class_run())
    rest += (rest.empty() ? "" : ", ") + ("billed " + printable(job.class_billed()));
  return rest.empty() ? text : text + " (" + rest + ")";
}

std::string initialised_note(v1::Initialised by) {
  switch (by) {
    case v1::INITIALISED_MARKER: return "its marker";
    case v1::INITIALISED_FIRST_READ: return "first read of its payload";
    default: return "";
  }
}

void add_facts(Table& facts, const v1::Job& job) {
  facts.add({"job", printable(job.id())});
  facts.add({"function", printable(job.function()) + "  version " +
                             dash_if_empty(job.function_version()) + "  owner " +
                             dash_if_empty(job.owner())});
  facts.add({"class", class_text(job)});
  std::string state = now_words(job);
  if (ended(job)) state += ", " + end_words(job);
  if (job.acknowledged()) state += ", result taken";
  facts.add({"state", state});
  if (job.pid() > 0)
    facts.add({"process", "pid " + std::to_string(job.pid()) + "  uid " +
                              std::to_string(job.uid()) + "  cgroup " +
                              dash_if_empty(job.leaf())});
}

std::string timeline_text(const v1::Job& job) {
  Table table({{"TIMELINE"}, {"AT", Align::Right}, {"DELTA", Align::Right}, {""}});
  table.add({"accepted", "+0", "", instant_text(job.accepted_unix_ns())});
  std::int64_t last_ns = 0;
  const auto step = [&](const char* name, std::int64_t at_ns, const std::string& note) {
    if (at_ns <= 0) {
      table.add({name, "-", "", ended(job) ? "not recorded" : "not yet"});
      return;
    }
    table.add({name, "+" + duration_text(nanoseconds(at_ns)),
               duration_text(nanoseconds(at_ns - last_ns)), note});
    last_ns = at_ns;
  };
  step("launched", job.launched_ns(), "");
  step("first ran", job.first_ran_ns(), "");
  step("initialised", job.initialised_ns(), initialised_note(job.initialised_by()));
  step("main exited", job.main_exited_ns(), "");
  step("ended", job.ended_ns(), "");
  return table.text();
}

std::string breakdown_text(const Breakdown& parts) {
  if (parts.setup < nanoseconds(0)) return {};  // it has not run yet
  Table table({{"BREAKDOWN"}, {"TIME", Align::Right}, {"SHARE", Align::Right}, {""}});
  const auto part = [&](const char* name, nanoseconds time) {
    if (time < nanoseconds(0)) {
      table.add({name, "-", "-", ""});
      return;
    }
    const double share = parts.total > nanoseconds(0)
                             ? static_cast<double>(time.count()) /
                                   static_cast<double>(parts.total.count()) : 0;
    table.add({name, duration_text(time), share_text(time.count(), parts.total.count()),
               std::string(static_cast<std::size_t>(std::lround(share * kBarWidth)), '#')});
  };
  part("setup", parts.setup);
  part("initialisation", parts.initialisation);
  part("execution", parts.execution);
  part("ending", parts.ending);
  part("total", parts.total);
  return table.text() + "\n";
}

std::string memory_text(const v1::Job& job) {
  std::string text = "peak ";
  text += job.memory_peak_bytes() > 0 ? bytes_text(job.memory_peak_bytes()) : "unknown";
  char amount[64];
  std::snprintf(amount, sizeof amount, ", %.6g GB-seconds", job.memory_gb_seconds());
  text += amount;
  return job.memory_estimated() ? text + " (upper bound: peak x lifetime)" : text;
}

void add_usage(Table& usage, const v1::Job& job) {
  usage.add({"CPU time", duration_text(microseconds(job.cpu_us()))});
  usage.add({"waited for a CPU", duration_text(microseconds(job.cpu_pressure_us()))});
  if (job.frozen_ns() > 0) usage.add({"frozen", duration_text(nanoseconds(job.frozen_ns()))});
  usage.add({"memory", memory_text(job)});
  usage.add({"result", bytes_text(job.result_bytes())});
  std::string log = bytes_text(job.stderr_bytes());
  if (job.stderr_dropped_bytes() > 0)
    log += ", " + bytes_text(job.stderr_dropped_bytes()) + " dropped";
  usage.add({"log", log});
  usage.add({"cost", money_text(job.cost())});
}

}  // namespace

std::string jobs_text(const std::vector<v1::Job>& jobs, std::int64_t now_unix_ns) {
  if (jobs.empty()) return "no jobs\n";
  Table table({{"ID"}, {"FUNCTION"}, {"CLASS"}, {"STATE"}, {"AGE", Align::Right},
               {"TOOK", Align::Right}, {"CPU", Align::Right}, {"COST", Align::Right}, {"END"}});
  for (const v1::Job& job : jobs) {
    const std::int64_t age_ns = std::max<std::int64_t>(0, now_unix_ns - job.accepted_unix_ns());
    table.add({printable(job.id()), printable(job.function()), printable(job.class_run()),
               now_words(job), duration_text(nanoseconds(age_ns)),
               job.ended_ns() > 0 ? duration_text(nanoseconds(job.ended_ns())) : "-",
               duration_text(microseconds(job.cpu_us())), dash_if_empty(job.cost()),
               ended(job) ? end_words(job) : "-"});
  }
  return table.text();
}

std::string job_text(const v1::Job& job) {
  Table facts({{""}, {""}});
  add_facts(facts, job);
  Table usage({{"USAGE"}, {""}});
  add_usage(usage, job);
  return facts.text() + "\n" + timeline_text(job) + "\n" + breakdown_text(breakdown_of(job)) +
         usage.text();
}

std::string event_text(const v1::WatchEvent& event) {
  std::string line;
  if (event.missed() > 0) line = "(" + std::to_string(event.missed()) + " events missed)\n";
  if (!event.has_job()) return line;
  const v1::Job& job = event.job();
  std::int64_t at_ns = job.accepted_unix_ns();
  for (const std::int64_t step : {job.launched_ns(), job.first_ran_ns(), job.initialised_ns(),
                                  job.main_exited_ns(), job.ended_ns()})
    at_ns = std::max(at_ns, job.accepted_unix_ns() + step);
  line += time_of_day_text(at_ns) + "  " + printable(job.id()) + "  " + printable(job.function()) +
          "  " + printable(job.class_run()) + "  ";
  line += ended(job) ? end_words(job) : now_words(job);
  if (job.ended_ns() > 0) line += ", took " + duration_text(nanoseconds(job.ended_ns()));
  return line + "\n";
}

}  // namespace tariff::ctl
