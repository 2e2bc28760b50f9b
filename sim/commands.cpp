// SPDX-License-Identifier: Apache-2.0
#include "sim/commands.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>

#include "sim/burst_view.h"
#include "sim/output.h"
#include "sim/report.h"

namespace tariff::sim {
namespace {

constexpr std::size_t kBarWidth = 40;
constexpr int kDefaultColumns = 100;
constexpr int kReportSeeds = 10;

/// A bar on standard error if a person watches and it takes a while.
class Progress {
 public:
  void operator()(std::size_t done, std::size_t of) {
    const auto now = std::chrono::steady_clock::now();
    if (!watched_ || now - begun_ < std::chrono::seconds(1)) return;
    const std::string full(done * kBarWidth / of, '#');
    const std::string empty(kBarWidth - full.size(), ' ');
    std::fprintf(stderr, "\r[%s%s] %zu of %zu", full.c_str(), empty.c_str(), done, of);
    if (done == of) std::fprintf(stderr, "\r\x1b[K");
  }

 private:
  bool watched_ = ::isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

Result<Profile> load(const std::string& name, const CommandLine& line,
                     std::vector<Setting> settings = {}) {
  for (const auto& text : line.settings) {
    auto setting = parse_setting(text);
    if (!setting) return std::move(setting).error();
    settings.push_back(*setting);
  }
  if (line.seed) settings.emplace_back("seed", std::to_string(*line.seed));
  return load_profile(name, settings);
}

Result<std::vector<RunSummary>> simulate(const Experiment& experiment, const CommandLine& line) {
  const auto begun = std::chrono::steady_clock::now();
  BatchOptions options{std::max(1, line.seeds), line.threads, Progress()};
  auto runs = run_batch(experiment, options);
  if (!runs) return runs;
  std::uint64_t jobs = 0;
  for (const auto& run : *runs) jobs += run.arrived;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::fprintf(stderr, "%s: %zu runs, %llu jobs in %.2f s\n", experiment.name.c_str(),
               runs->size(), static_cast<unsigned long long>(jobs), took.count());
  return runs;
}

std::string headline(const Profile& profile, const Experiment& experiment, const CommandLine& line,
                     std::uint64_t digest) {
  std::array<char, 32> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(digest));
  return experiment.name + ", profile " + profile.name + ", seed " +
         std::to_string(experiment.settings.seed) +
         (line.seeds > 1 ? " and " + std::to_string(line.seeds - 1) + " more" : "") + ", digest " +
         hex.data() + "\n";
}

Status write_files(const CommandLine& line, const std::string& directory, const Profile& profile,
                   const Experiment& experiment, const std::vector<RunSummary>& runs) {
  if (directory.empty()) return ok();
  if (auto status = write_csv(directory, experiment, runs); !status) return status;
  if (line.report)
    if (auto status = write_report(directory, profile, experiment, runs); !status) return status;
  std::fprintf(stderr, "written: %s/%s\n", directory.c_str(),
               line.report ? "report.html" : "*.csv");
  return ok();
}

Status run_experiment(const CommandLine& line, const Profile& profile, Experiment experiment,
                      const std::string& directory) {
  experiment.settings.keep_all = experiment.settings.keep_all || line.jobs_csv;
  auto runs = simulate(experiment, line);
  if (!runs) return std::move(runs).error();
  const auto head = headline(profile, experiment, line, digest_of(*runs));
  std::printf("%s\np99 slowdown of finished jobs\n\n%s%s", head.c_str(),
              table(experiment, *runs).c_str(), head.c_str());
  return write_files(line, directory, profile, experiment, *runs);
}

Status run_burst(const CommandLine& line, const Profile& profile, Experiment experiment) {
  experiment.settings.keep_all = true;
  CommandLine once = line;
  once.seeds = 1;
  auto runs = simulate(experiment, once);
  if (!runs) return std::move(runs).error();
  const bool person = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  BurstLook look{kDefaultColumns, person};
  if (person && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    look.width = size.ws_col;
  const auto head = headline(profile, experiment, once, digest_of(*runs));
  std::printf("%s%s%s", head.c_str(), draw_burst(experiment, *runs, look).c_str(), head.c_str());
  experiment.settings.keep_all = line.jobs_csv;
  once.report = false;
  return write_files(once, line.out, profile, experiment, *runs);
}

Result<Experiment> experiment_of(const Profile& profile, const std::string& name) {
  if (const auto* found = profile.find(name)) return *found;
  std::string known;
  for (const auto& one : profile.experiments) known += (known.empty() ? "" : ", ") + one.name;
  return Error{ErrorKind::NotFound, "profile " + profile.name + " has no experiment '" + name + "'",
               "it has " + known};
}

/// "placement.k=1,2,5" as settings, one for each value. Lists in [] stay whole.
Result<std::vector<Setting>> alternatives(const std::string& text) {
  auto setting = parse_setting(text);
  if (!setting) return std::move(setting).error();
  std::vector<Setting> out;
  std::string value;
  int depth = 0;
  for (const char c : setting->second + ",") {
    depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    if (c != ',' || depth > 0) {
      value += c;
      continue;
    }
    out.emplace_back(setting->first, value);
    value.clear();
  }
  return out;
}

std::string shown(const Estimate& its) {
  if (!std::isfinite(its.mean)) return "-";
  std::string out = number(its.mean, 3);
  if (its.half > 0.0005) out += "±" + number(its.half, 2);
  return out;
}

/// One line of a sweep's or a comparison's table.
std::vector<std::string> row_of(const std::string& what, const Experiment& experiment,
                                const std::vector<RunSummary>& runs, System system,
                                std::uint32_t load) {
  std::vector<std::string> row = {what, std::string(name_of(system)), std::to_string(load)};
  const auto of = [&](const std::function<double(const RunSummary&)>& figure) {
    return over_seeds(runs, system, load, figure);
  };
  for (std::size_t rank = 0; rank < experiment.settings.workload.classes.size(); ++rank)
    row.push_back(shown(of([&](const RunSummary& run) { return run.classes[rank].p99; })));
  row.push_back(shown(of([](const RunSummary& run) {
    double sum = 0;
    for (const auto& its : run.classes) sum += static_cast<double>(its.unfinished);
    return 100 * sum / static_cast<double>(std::max<std::uint64_t>(1, run.arrived));
  })));
  row.push_back(shown(of([](const RunSummary& run) {
    double sum = 0;
    for (const auto& its : run.classes) sum += static_cast<double>(its.swapped);
    return sum;
  })));
  const auto kills = of([](const RunSummary& run) { return static_cast<double>(run.kills); });
  row.push_back(number(kills.mean, 1));
  row.push_back(number(of([](const RunSummary& run) { return run.queue_mean; }).mean, 2));
  row.push_back(number(of([](const RunSummary& run) {
    return static_cast<double>(run.queue_longest);
  }).mean, 0));
  return row;
}

std::vector<std::string> row_head(const Experiment& experiment, const std::string& what) {
  std::vector<std::string> row = {what, "system", "load"};
  for (const auto& its : experiment.settings.workload.classes) row.push_back(its.name);
  for (const char* name : {"unfinished %", "swapped", "killed", "queue mean", "queue most"})
    row.emplace_back(name);
  return row;
}

}  // namespace

Status run_figure(const CommandLine& given, const std::string& figure) {
  CommandLine line = given;
  // A report is for people, who want to know how sure it is.
  if (line.seeds == 0) line.seeds = line.report && figure != "burst" ? kReportSeeds : 1;
  auto profile = load(line.profile, line);
  if (!profile) return std::move(profile).error();
  auto experiment = experiment_of(*profile, figure == "burst" ? figure : "figure-" + figure);
  if (!experiment) return std::move(experiment).error();
  if (figure == "burst") return run_burst(line, *profile, *experiment);
  if (line.out.empty()) {
    // A profile may be a path; its last part is name enough.
    const auto name = profile->name.substr(profile->name.rfind('/') + 1);
    line.out = "sim-out/" + experiment->name + "-" + name;
  }
  return run_experiment(line, *profile, *experiment, line.out);
}

Status run_profile(const CommandLine& line) {
  auto profile = load(line.profile, line);
  if (!profile) return std::move(profile).error();
  for (const auto& experiment : profile->experiments) {
    if (!line.experiment.empty() && experiment.name != line.experiment) continue;
    const auto directory = line.out.empty() ? "" : line.out + "/" + experiment.name;
    if (auto status = run_experiment(line, *profile, experiment, directory); !status) return status;
  }
  if (line.experiment.empty()) return ok();
  if (auto known = experiment_of(*profile, line.experiment); !known)
    return std::move(known).error();
  return ok();
}

Status run_sweep(const CommandLine& line) {
  std::vector<std::vector<Setting>> combinations(1);
  for (const auto& text : line.over) {
    auto values = alternatives(text);
    if (!values) return std::move(values).error();
    std::vector<std::vector<Setting>> more;
    for (const auto& combination : combinations)
      for (const auto& value : *values) {
        more.push_back(combination);
        more.back().push_back(value);
      }
    combinations = std::move(more);
  }
  std::vector<std::vector<std::string>> rows;
  std::vector<RunSummary> all;
  std::string head;
  for (const auto& combination : combinations) {
    auto profile = load(line.profile, line, combination);
    if (!profile) return std::move(profile).error();
    auto experiment = experiment_of(*profile, line.experiment);
    if (!experiment) return std::move(experiment).error();
    auto runs = simulate(*experiment, line);
    if (!runs) return std::move(runs).error();
    std::string what;
    for (const auto& [key, value] : combination) {
      if (!what.empty()) what += ' ';
      what.append(key, key.rfind('.') + 1).append("=").append(value);
    }
    if (rows.empty()) rows.push_back(row_head(*experiment, "setting"));
    for (const auto system : experiment->systems)
      for (const auto load : experiment->loads)
        rows.push_back(row_of(what, *experiment, *runs, system, load));
    std::move(runs->begin(), runs->end(), std::back_inserter(all));
    head = headline(*profile, *experiment, line, digest_of(all));
  }
  std::printf("%s\n%s\n%s", head.c_str(), columns(rows).c_str(), head.c_str());
  return ok();
}

Status run_compare(const CommandLine& line) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::vector<RunSummary>> sides;
  std::vector<Experiment> experiments;
  std::string heads;
  for (const auto& name : {line.profile, line.other}) {
    auto profile = load(name, line);
    if (!profile) return std::move(profile).error();
    auto experiment = experiment_of(*profile, line.experiment);
    if (!experiment) return std::move(experiment).error();
    auto runs = simulate(*experiment, line);
    if (!runs) return std::move(runs).error();
    heads += headline(*profile, *experiment, line, digest_of(*runs));
    sides.push_back(std::move(*runs));
    experiments.push_back(std::move(*experiment));
  }
  rows.push_back(row_head(experiments[0], "profile"));
  for (const auto system : experiments[0].systems)
    for (const auto load : experiments[0].loads)
      for (std::size_t side = 0; side < 2; ++side)
        rows.push_back(row_of(side == 0 ? line.profile : line.other, experiments[side], sides[side],
                              system, load));
  std::printf("%s\n%s\n%s", heads.c_str(), columns(rows).c_str(), heads.c_str());
  return ok();
}

}  // namespace tariff::sim
