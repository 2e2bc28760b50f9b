// SPDX-License-Identifier: Apache-2.0
#include "sim/plot.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "sim/output.h"

namespace tariff::sim {
namespace {

using Runs = std::vector<RunSummary>;

/// From the cheapest class to the dearest; readable for people who see no red or green.
constexpr const char* kColours[] = {"#cc6677", "#ddaa33", "#999933", "#44aa99", "#332288",
                                    "#882255", "#117733", "#88ccee"};

std::string head(int width, int height) {
  return "set terminal svg size " + std::to_string(width) + "," + std::to_string(height) +
         " font 'sans-serif,12' background '#ffffff'\n"
         "set border 3\nset tics nomirror\nset grid ytics lc rgb '#dddddd'\n";
}

std::string block(const std::string& name, const std::string& rows) {
  return "$" + name + " << EOD\n" + rows + "EOD\n";
}

/// A line across boxes of that width; the median is the sixth column.
std::string median_of(double width) {
  return " using ($1-" + number(width / 2, 3) + "):6:(" + number(width, 3) +
         "):(0) with vectors nohead lc rgb '#000000' lw 1.5 notitle";
}

/// All loads, and room for boxes at the first and the last.
std::string load_range(const Experiment& experiment) {
  const auto [least, most] = std::minmax_element(experiment.loads.begin(), experiment.loads.end());
  return "set xrange [" + number(*least - 7.0, 1) + ":" + number(*most + 7.0, 1) + "]\n";
}

/// A panel for each system: p99 by load, a line and its confidence band for each class.
Plot latency_plot(const Experiment& experiment, const Runs& runs) {
  const auto& classes = experiment.settings.workload.classes;
  const auto panels = static_cast<int>(experiment.systems.size());
  std::string data;
  std::string plots;
  double highest = 2;
  for (std::size_t panel = 0; panel < experiment.systems.size(); ++panel) {
    const auto system = experiment.systems[panel];
    plots += "set title '" + std::string(name_of(system)) + "'\n";
    std::string bands;
    std::string lines;
    for (std::size_t rank = 0; rank < classes.size(); ++rank) {
      const auto name = "p" + std::to_string(panel) + "c" + std::to_string(rank);
      std::string rows;
      for (const auto load : experiment.loads) {
        const auto its = over_seeds(runs, system, load,
                                    [&](const RunSummary& run) { return run.classes[rank].p99; });
        if (!std::isfinite(its.mean)) continue;
        highest = std::max(highest, its.mean + its.half);
        rows += std::to_string(load) + " " + number(its.mean, 5) + " " +
                number(std::max(1.0, its.mean - its.half), 5) + " " +
                number(its.mean + its.half, 5) + "\n";
      }
      data += block(name, rows);
      const std::string colour = kColours[rank % std::size(kColours)];
      const char* next = ", \\\n  ";
      bands += "$" + name + " using 1:3:4 with filledcurves fc rgb '" + colour +
               "' fs transparent solid 0.25 noborder notitle" + next;
      lines += "$" + name + " using 1:2 with linespoints pt 7 ps 0.4 lw 1.6 lc rgb '" + colour +
               "' title '" + classes[rank].name + " " + number(classes[rank].price, 6) + "'" +
               (rank + 1 < classes.size() ? next : "\n");
    }
    plots += "plot " + bands + lines;
  }
  const int across = std::min(panels, 3);
  const int down = (panels + across - 1) / across;
  return {"latency", "Slowdown, p99 of finished jobs, by load and class",
          "Latency / runtime; 1 is perfect. Bands: 95 % confidence of the mean over the seeds. "
          "Only jobs that ended count; the table says how many did not.",
          head(360 * across, 300 * down) + data + "set multiplot layout " + std::to_string(down) +
              "," + std::to_string(across) +
              "\nset logscale y 2\nset xlabel 'jobs a tick'\nset ylabel 'p99 slowdown'\n"
              "set key top left reverse Left samplen 1\nset yrange [0.95:" +
              number(highest * 1.2, 2) + "]\n" + plots + "unset multiplot\n"};
}

/// Boxes from quartile to quartile, whiskers from 5 to 95 %.
Plot box_plot(const Experiment& experiment, const Runs& runs, const std::string& name_of_file,
              const std::string& axis, std::vector<double> RunSummary::*member) {
  std::string data;
  std::string plots;
  const auto systems = experiment.systems.size();
  const double step = experiment.loads.size() > 1
                          ? static_cast<double>(experiment.loads[1] - experiment.loads[0])
                          : 10;
  const double width = step * 0.8 / static_cast<double>(systems);
  bool first = true;
  for (std::size_t panel = 0; panel < systems; ++panel) {
    std::string rows;
    for (const auto load : experiment.loads) {
      const auto at = [&](std::size_t quantile) {
        return over_seeds(runs, experiment.systems[panel], load, [&](const RunSummary& run) {
          return (run.*member).empty() ? std::nan("") : (run.*member)[quantile];
        }).mean;
      };
      if (!std::isfinite(at(4))) continue;
      const double place = load + width * (static_cast<double>(panel) -
                                           (static_cast<double>(systems) - 1) / 2);
      rows += number(place, 3);
      for (const std::size_t quantile : {3U, 2U, 6U, 5U, 4U}) rows += " " + number(at(quantile), 5);
      rows += "\n";
    }
    if (rows.empty()) continue;
    const auto name = "b" + std::to_string(panel);
    const std::string colour = kColours[(panel * 3) % std::size(kColours)];
    data += block(name, rows);
    plots += std::string(first ? "plot " : ", \\\n  ") + "$" + name +
             " using 1:2:3:4:5 with candlesticks fc rgb '" + colour + "' lc rgb '" + colour +
             "' fs solid 0.4 title '" + std::string(name_of(experiment.systems[panel])) +
             "' whiskerbars 0.5, \\\n  $" + name + median_of(width * 0.9);
    first = false;
  }
  if (data.empty()) return {};
  const std::string title = name_of_file == "compute" ? "Compute utilisation"
                                                      : "Memory utilisation";
  return {name_of_file, title,
          "Boxes: a quarter to three quarters; whiskers: 5 and 95 %; line: median. A pool has one "
          "sample a tick, machines have one each.",
          head(1'000, 360) + load_range(experiment) + data + "set boxwidth " +
              number(width * 0.9, 3) +
              "\nset xlabel 'jobs a tick'\nset ylabel '" + axis +
              "'\nset yrange [0:1.05]\nset key bottom right\n" + plots + "\n"};
}

Plot swapped_plot(const Experiment& experiment, const Runs& runs) {
  const auto& classes = experiment.settings.workload.classes;
  std::string data;
  std::string plots = "plot ";
  for (std::size_t rank = 0; rank < classes.size(); ++rank) {
    std::string rows;
    for (const auto load : experiment.loads) {
      const auto its = over_seeds(runs, System::Tariff, load, [&](const RunSummary& run) {
        return static_cast<double>(run.classes[rank].swapped);
      });
      rows += std::to_string(load) + " " + number(its.mean, 3) + " " +
              number(std::max(0.0, its.mean - its.half), 3) + " " +
              number(its.mean + its.half, 3) + "\n";
    }
    const auto name = "s" + std::to_string(rank);
    const std::string colour = kColours[rank % std::size(kColours)];
    data += block(name, rows);
    plots += "$" + name + " using 1:3:4 with filledcurves fc rgb '" + colour +
             "' fs transparent solid 0.25 noborder notitle, \\\n  $" + name +
             " using 1:2 with linespoints pt 7 ps 0.4 lw 1.6 lc rgb '" + colour + "' title '" +
             classes[rank].name + "'" + (rank + 1 < classes.size() ? ", \\\n  " : "\n");
  }
  return {"swapped", "Jobs swapped out at least once, by class", "In a run of all ticks.",
          head(700, 340) + data +
              "set xlabel 'jobs a tick'\nset ylabel 'jobs'\nset key top left reverse Left\n" +
              plots};
}

Plot machines_plot(const Experiment& experiment, const Runs& runs) {
  std::string rows;
  for (const auto& run : runs) {
    if (run.seed != experiment.settings.seed || run.moved_out.empty()) continue;
    std::vector<float> values(run.moved_out.begin(), run.moved_out.end());
    const auto at = quantiles(values, {0, 0.25, 0.5, 0.75, 1});
    rows += std::to_string(run.load);
    for (const std::size_t i : {1U, 0U, 4U, 3U, 2U}) rows += " " + number(at[i] / 1000, 4);
    rows += "\n";
  }
  return {"machines", "Memory swapped out on each machine, of jobs that ended",
          "GB in the whole run, first seed. Boxes: a quarter to three quarters of the machines; "
          "whiskers: the least and the most.",
          head(700, 340) + load_range(experiment) + block("m", rows) +
              "set boxwidth 5\nset xlabel 'jobs a tick'\nset ylabel 'GB'\nset yrange [0:*]\n"
              "plot $m using 1:2:3:4:5 with candlesticks fc rgb '#44aa99' lc rgb '#44aa99' "
              "fs solid 0.4 notitle whiskerbars 0.5, \\\n  $m" + median_of(5) + "\n"};
}

}  // namespace

std::vector<Plot> plots_of(const Experiment& experiment, const Runs& runs) {
  std::vector<Plot> out = {
      latency_plot(experiment, runs),
      box_plot(experiment, runs, "compute", "of cores, per tick", &RunSummary::busy)};
  if (experiment.settings.swapping != Swapping::None) {
    out.push_back(swapped_plot(experiment, runs));
    out.push_back(machines_plot(experiment, runs));
    out.push_back(box_plot(experiment, runs, "memory", "of RAM, per tick", &RunSummary::memory));
  }
  std::erase_if(out, [](const Plot& plot) { return plot.script.empty(); });
  return out;
}

}  // namespace tariff::sim
