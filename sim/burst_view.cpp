// SPDX-License-Identifier: Apache-2.0
#include "sim/burst_view.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/output.h"

namespace tariff::sim {
namespace {

constexpr std::array<const char*, 9> kBars = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
/// Green, yellow, red of 256 colours, for slowdowns up to 1.1, 2, 4 and more.
constexpr std::array<const char*, 4> kColours = {"\x1b[38;5;71m", "\x1b[38;5;185m",
                                                 "\x1b[38;5;208m", "\x1b[38;5;196m"};
constexpr int kLabel = 12;  ///< columns left for names of classes
constexpr double kTop = 16;  ///< slowdown that fills a bar; each step is 2^(1/2)

/// p99 slowdown of the class's jobs that arrived within each of `cells` equal spans; 0: none did.
std::vector<double> p99_by_arrival(const RunSummary& run, int rank, std::size_t cells, Nanos end) {
  std::vector<std::vector<float>> values(cells);
  for (const auto& job : run.all) {
    if (job.rank != rank) continue;
    const double share = static_cast<double>(job.arrived) / static_cast<double>(end);
    const auto cell = static_cast<std::size_t>(share * static_cast<double>(cells));
    // A job that did not end counts with its age: longer than that it would have taken.
    values[std::min(cell, cells - 1)].push_back(static_cast<float>(
        std::max(1.0, static_cast<double>(job.latency) / static_cast<double>(job.runtime))));
  }
  std::vector<double> out;
  for (auto& cell : values) out.push_back(cell.empty() ? 0 : quantile(cell, 0.99));
  return out;
}

std::string bar(double slowdown, bool colour) {
  if (slowdown <= 0) return " ";
  const double steps = 1 + std::log2(std::max(1.0, slowdown)) / std::log2(kTop) * 7;
  const auto level = static_cast<std::size_t>(std::clamp(std::lround(steps), 1L, 8L));
  if (!colour) return kBars[level];
  const std::size_t shade = slowdown <= 1.1 ? 0 : slowdown <= 2 ? 1 : slowdown <= 4 ? 2 : 3;
  return std::string(kColours[shade]) + kBars[level] + "\x1b[0m";
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// A line of the same two panels: the load, or where the burst is.
std::string axis(const Experiment& experiment, std::size_t cells) {
  std::string line(cells, ' ');
  std::uint32_t load = experiment.loads[0];
  const auto place = [&](std::int64_t tick, std::uint32_t value) {
    const auto at = static_cast<std::size_t>(tick) * cells /
                    static_cast<std::size_t>(experiment.settings.ticks);
    const auto text = std::to_string(value);
    for (std::size_t i = 0; i < text.size() && at + i < cells; ++i) line[at + i] = text[i];
  };
  place(0, load);
  for (const auto& step : experiment.settings.workload.steps) place(step.from, step.load);
  return line;
}

}  // namespace

std::string draw_burst(const Experiment& experiment, const std::vector<RunSummary>& runs,
                       const BurstLook& look) {
  const std::size_t panels = std::max<std::size_t>(1, runs.size());
  const auto room = static_cast<std::size_t>(std::max(look.width - kLabel, 40));
  const std::size_t cells = std::clamp<std::size_t>(room / panels - 7, 20, 100);
  const auto& classes = experiment.settings.workload.classes;
  const Nanos end = experiment.settings.ticks * kTick;

  std::string out =
      "p99 slowdown (latency / runtime) by tick of arrival; a full bar is 16 or more\n\n";
  std::string names = std::string(kLabel, ' ');
  std::string loads = padded("jobs a tick", kLabel);
  for (const auto& run : runs) {
    names += padded(std::string(name_of(run.system)), cells) + "   worst  ";
    loads += padded(axis(experiment, cells), cells + 10);
  }
  out += trimmed(names) + "\n" + trimmed(loads) + "\n";
  for (std::size_t rank = classes.size(); rank-- > 0;) {
    out += padded(classes[rank].name, kLabel);
    for (const auto& run : runs) {
      const auto p99 = p99_by_arrival(run, static_cast<int>(rank) + 1, cells, end);
      for (const double value : p99) out += bar(value, look.colour);
      auto worst = number(*std::max_element(p99.begin(), p99.end()), 1);
      if (worst.find('.') == std::string::npos) worst += ".0";
      out += std::string(8 - std::min<std::size_t>(8, worst.size()), ' ') + worst + "  ";
    }
    out = trimmed(std::move(out)) + "\n";
  }
  return out;
}

}  // namespace tariff::sim
