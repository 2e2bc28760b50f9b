// SPDX-License-Identifier: Apache-2.0
#include "sim/output.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace tariff::sim {
namespace {

using Runs = std::vector<RunSummary>;

std::string price_of(const Experiment& experiment, std::size_t rank) {
  return number(experiment.settings.workload.classes[rank].price, 6);
}

double mean(const Runs& runs, System system, std::uint32_t load,
            const std::function<double(const RunSummary&)>& figure) {
  return over_seeds(runs, system, load, figure).mean;
}

/// Calls `row` for each system, load and class.
template <typename Row>
void for_each_class(const Experiment& experiment, Row&& row) {
  for (const auto system : experiment.systems)
    for (const auto load : experiment.loads)
      for (std::size_t rank = 0; rank < experiment.settings.workload.classes.size(); ++rank)
        row(system, load, rank);
}

std::string slowdown_csv(const Experiment& experiment, const Runs& runs) {
  std::string out = "system,load,price,jobs,unfinished,p50,p99,p99_censored\n";
  for_each_class(experiment, [&](System system, std::uint32_t load, std::size_t rank) {
    const auto of = [&](auto member) {
      return number(mean(runs, system, load, [&](const RunSummary& run) {
        return static_cast<double>(run.classes[rank].*member);
      }), 6);
    };
    out += std::string(name_of(system)) + "," + std::to_string(load) + "," +
           price_of(experiment, rank) + "," + of(&ClassSummary::finished) + "," +
           of(&ClassSummary::unfinished) + "," + of(&ClassSummary::p50) + "," +
           of(&ClassSummary::p99) + "," + of(&ClassSummary::p99_censored) + "\n";
  });
  return out;
}

std::string confidence_csv(const Experiment& experiment, const Runs& runs) {
  std::string out = "system,load,price,figure,mean,half_95\n";
  for_each_class(experiment, [&](System system, std::uint32_t load, std::size_t rank) {
    const auto add = [&](const char* name, auto member) {
      const auto its = over_seeds(runs, system, load, [&](const RunSummary& run) {
        return static_cast<double>(run.classes[rank].*member);
      });
      out += std::string(name_of(system)) + "," + std::to_string(load) + "," +
             price_of(experiment, rank) + "," + name + "," + number(its.mean, 6) + "," +
             number(its.half, 6) + "\n";
    };
    add("p50", &ClassSummary::p50);
    add("p99", &ClassSummary::p99);
    add("p99_censored", &ClassSummary::p99_censored);
    add("unfinished", &ClassSummary::unfinished);
  });
  return out;
}

std::string utilisation_csv(const Experiment& experiment, const Runs& runs) {
  std::string out = "system,load,kind,quantile,value\n";
  for (const auto system : experiment.systems)
    for (const auto load : experiment.loads)
      for (const auto& [kind, member] : {std::pair{"compute", &RunSummary::busy},
                                         std::pair{"memory", &RunSummary::memory}})
        for (std::size_t i = 0; i < kUtilisationQuantiles.size(); ++i) {
          const double value = mean(runs, system, load, [&, which = member](const RunSummary& run) {
            return (run.*which).empty() ? std::nan("") : (run.*which)[i];
          });
          if (!std::isfinite(value)) continue;
          out += std::string(name_of(system)) + "," + std::to_string(load) + "," + kind + "," +
                 number(kUtilisationQuantiles[i], 2) + "," + number(value, 6) + "\n";
        }
  return out;
}

std::string swapped_csv(const Experiment& experiment, const Runs& runs) {
  std::string out = "load,price,jobs,swapped\n";
  for_each_class(experiment, [&](System system, std::uint32_t load, std::size_t rank) {
    const auto jobs = mean(runs, system, load, [&](const RunSummary& run) {
      const auto& its = run.classes[rank];
      return static_cast<double>(its.finished + its.unfinished + its.lost);
    });
    const auto swapped = mean(runs, system, load, [&](const RunSummary& run) {
      return static_cast<double>(run.classes[rank].swapped);
    });
    out += std::to_string(load) + "," + price_of(experiment, rank) + "," + number(jobs, 2) + "," +
           number(swapped, 2) + "\n";
  });
  return out;
}

std::string machines_csv(const Runs& runs) {
  std::string out = "load,machine,swapped_mb\n";
  for (const auto& run : runs)
    for (std::size_t id = 0; id < run.moved_out.size(); ++id)
      out += std::to_string(run.load) + "," + std::to_string(id) + "," +
             number(run.moved_out[id], 3) + "\n";
  return out;
}

std::string jobs_csv(const Experiment& experiment, const Runs& runs) {
  std::string out =
      "system,load,seed,job,arrived,function,class,runtime,latency,ended,machine,swap_outs\n";
  const auto ticks = [](Nanos nanos) {
    return number(static_cast<double>(nanos) / static_cast<double>(kTick), 9);
  };
  for (const auto& run : runs) {
    auto all = run.all;
    std::sort(all.begin(), all.end(), [](auto& one, auto& other) { return one.id < other.id; });
    for (const auto& job : all)
      out += std::string(name_of(run.system)) + "," + std::to_string(run.load) + "," +
             std::to_string(run.seed) + "," + std::to_string(job.id) + "," + ticks(job.arrived) +
             "," + std::to_string(job.function) + "," +
             experiment.settings.workload.classes[job.rank - 1U].name + "," + ticks(job.runtime) +
             "," + ticks(job.latency) + "," +
             (job.finished ? "finished" : job.killed ? "killed" : "unfinished") + "," +
             std::to_string(job.machine) + "," + std::to_string(job.swap_outs) + "\n";
  }
  return out;
}

std::string with_interval(const Estimate& estimate) {
  if (!std::isfinite(estimate.mean)) return "-";  // no such job ended
  std::string out = number(estimate.mean, 3);
  if (estimate.half > 0.0005) out += "±" + number(estimate.half, 2);
  return out;
}

void add_swapping(const Runs& runs, System system, std::uint32_t load,
                  std::vector<std::string>& row) {
  const auto of = [&](const std::function<double(const RunSummary&)>& figure) {
    return mean(runs, system, load, figure);
  };
  const double swapped = of([](const RunSummary& run) {
    double sum = 0;
    for (const auto& its : run.classes) sum += static_cast<double>(its.swapped);
    return sum;
  });
  const double low = of([](const RunSummary& run) {
    double sum = 0;
    for (std::size_t i = 0; i < 2 && i < run.classes.size(); ++i)
      sum += static_cast<double>(run.classes[i].swapped);
    return sum;
  });
  row.push_back(number(swapped, 0));
  row.push_back(swapped > 0 ? number(100 * low / swapped, 1) + "%" : "-");
  const auto kills = [](const RunSummary& run) { return static_cast<double>(run.kills); };
  row.push_back(number(of(kills), 0));
  row.push_back(number(of([](const RunSummary& run) {
    return run.memory.empty() ? 0 : run.memory[4];
  }), 2));
  const double listed = of([](const RunSummary& run) {
    return run.placed == 0 ? 0 : 100 * static_cast<double>(run.from_idle_list) /
                                     static_cast<double>(run.placed);
  });
  row.push_back(number(listed, 0) + "%");
}

std::size_t width_of(const std::string& text) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

}  // namespace

std::string number(double value, int digits) {
  if (!std::isfinite(value)) return "nan";
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  std::string out = buffer.data();
  if (out.find('.') == std::string::npos) return out;
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

std::string columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width_of(row[i]), ' ');
      line += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  }
  return out;
}

std::string table(const Experiment& experiment, const Runs& runs) {
  std::string out;
  const bool memory = experiment.settings.swapping != Swapping::None;
  for (const auto system : experiment.systems) {
    std::vector<std::vector<std::string>> rows(1);
    rows[0] = {std::string(name_of(system))};
    for (const auto& row : experiment.settings.workload.classes) rows[0].push_back(row.name);
    rows[0].emplace_back("unfinished");
    if (memory)
      for (const char* name : {"swapped", "lowest two", "killed", "RAM p50", "by list"})
        rows[0].emplace_back(name);
    for (const auto load : experiment.loads) {
      std::vector<std::string> row = {"load " + std::to_string(load)};
      for (std::size_t rank = 0; rank < experiment.settings.workload.classes.size(); ++rank)
        row.push_back(with_interval(over_seeds(runs, system, load, [&](const RunSummary& run) {
          return run.classes[rank].p99;
        })));
      row.push_back(number(mean(runs, system, load, [](const RunSummary& run) {
        double sum = 0;
        for (const auto& its : run.classes) sum += static_cast<double>(its.unfinished);
        return sum;
      }), 0));
      if (memory) add_swapping(runs, system, load, row);
      rows.push_back(row);
    }
    out += columns(rows) + "\n";
  }
  return out;
}

Status write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return errno_error("cannot write " + path, errno);
  return ok();
}

Status write_csv(const std::string& directory, const Experiment& experiment, const Runs& runs) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return Error{ErrorKind::Unknown, "cannot make " + directory + ": " + error.message(), {}};
  Runs first;
  for (const auto& run : runs)
    if (run.seed == experiment.settings.seed) first.push_back(run);
  std::vector<std::pair<std::string, std::string>> files = {
      {"slowdown.csv", slowdown_csv(experiment, first)},
      {"utilisation.csv", utilisation_csv(experiment, first)},
      {"confidence.csv", confidence_csv(experiment, runs)}};
  if (experiment.settings.swapping != Swapping::None) {
    files.emplace_back("swapped.csv", swapped_csv(experiment, first));
    files.emplace_back("machines.csv", machines_csv(first));
  }
  if (experiment.settings.keep_all) files.emplace_back("jobs.csv", jobs_csv(experiment, runs));
  for (const auto& [name, text] : files)
    if (auto status = write_file(directory + "/" + name, text); !status) return status;
  return ok();
}

}  // namespace tariff::sim
