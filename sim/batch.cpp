// SPDX-License-Identifier: Apache-2.0
#include "sim/batch.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

namespace tariff::sim {
namespace {

/// More are generated anew for each system instead of being kept (24 bytes each).
constexpr std::uint64_t kMostKept = 20'000'000;

RunSummary summary_of(const RunSettings& settings, RunResult&& result) {
  RunSummary out;
  out.system = settings.system;
  out.load = settings.load;
  out.seed = settings.seed;
  for (std::size_t i = 0; i < settings.workload.classes.size(); ++i) {
    auto& finished = result.sink.slowdowns()[i];
    auto& unfinished = result.sink.censored()[i];
    ClassSummary row;
    row.finished = finished.size();
    row.unfinished = unfinished.size();
    row.lost = result.sink.lost_jobs()[i];
    row.swapped = result.memory.swapped[i];
    const auto of_finished = quantiles(finished, {0.5, 0.99});
    row.p50 = of_finished[0];
    row.p99 = of_finished[1];
    finished.insert(finished.end(), unfinished.begin(), unfinished.end());
    row.p99_censored = quantile(finished, 0.99);
    row.wait_p99 = result.queue.waits[i].empty() ? 0 : quantile(result.queue.waits[i], 0.99);
    out.classes.push_back(row);
  }
  if (!result.busy.values.empty())
    out.busy = quantiles(result.busy.values, kUtilisationQuantiles);
  if (!result.memory.used.values.empty())
    out.memory = quantiles(result.memory.used.values, kUtilisationQuantiles);
  for (const auto kilobytes : result.memory.moved_out)
    out.moved_out.push_back(static_cast<double>(kilobytes) / kMegabyte);
  out.arrived = result.arrived;
  out.placed = result.placed;
  out.from_idle_list = result.from_idle_list;
  out.swap_outs = result.memory.swap_outs;
  out.pagings = result.memory.pagings;
  out.kills = result.memory.kills;
  out.stalls = result.memory.stalls;
  out.queue_longest = result.queue.longest;
  out.queue_mean = result.queue.mean;
  out.waited = result.queue.waited;
  out.refusals = result.queue.refusals;
  out.digest = result.sink.digest();
  out.all = std::move(result.sink.all());
  return out;
}

Status check(const Experiment& experiment) {
  for (const auto system : experiment.systems) {
    const bool beyond = experiment.settings.blocking.every > 0 ||
                        experiment.settings.cold_share > 0 ||
                        experiment.settings.swapping != Swapping::None;
    if (beyond && system != System::Tariff)
      return Error{ErrorKind::InvalidArgument,
                   "experiment " + experiment.name + ": " + std::string(name_of(system)) +
                       " simulates neither memory nor blocking nor cold starts",
                   "write systems: [tariff], or leave them out"};
  }
  if (experiment.loads.empty() || experiment.systems.empty())
    return Error{ErrorKind::InvalidArgument, "experiment " + experiment.name +
                                                 " has no loads or no systems", {}};
  return ok();
}

Result<std::vector<Arrival>> load_trace(const RunSettings& settings) {
  std::ifstream file(settings.workload.trace);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return errno_error("cannot read the trace " + settings.workload.trace, errno);
  auto arrivals = read_trace(text.str(), settings.workload, settings.seed);
  if (!arrivals) return std::move(arrivals).error().context(settings.workload.trace);
  return arrivals;
}

/// All systems of one load and seed.
class Group {
 public:
  Group(const Experiment& experiment, const std::vector<Arrival>& trace)
      : experiment_(experiment), trace_(trace) {}

  void run(std::uint32_t load, std::uint64_t seed, RunSummary* out) const {
    RunSettings settings = experiment_.settings;
    settings.load = load;
    settings.seed = seed;
    const auto jobs = std::uint64_t{load} * static_cast<std::uint64_t>(settings.ticks);
    const bool kept = !trace_.empty() || (experiment_.systems.size() > 1 && jobs <= kMostKept);
    std::optional<Batches> batches;
    if (!trace_.empty()) {
      batches.emplace(trace_);
    } else if (kept) {
      const auto source = generate(settings.workload, load, settings.ticks, seed);
      batches.emplace(*source);
    }
    for (const auto system : experiment_.systems) {
      settings.system = system;
      const auto source = batches ? batches->source()
                                  : generate(settings.workload, load, settings.ticks, seed);
      *out++ = summary_of(settings, sim::run(settings, *source));
    }
  }

 private:
  const Experiment& experiment_;
  const std::vector<Arrival>& trace_;
};

}  // namespace

Result<std::vector<RunSummary>> run_batch(const Experiment& experiment,
                                          const BatchOptions& options) {
  if (auto status = check(experiment); !status) return std::move(status).error();
  std::vector<Arrival> trace;
  if (!experiment.settings.workload.trace.empty()) {
    auto read = load_trace(experiment.settings);
    if (!read) return std::move(read).error();
    trace = std::move(*read);
  }
  const std::size_t systems = experiment.systems.size();
  const std::size_t groups = experiment.loads.size() * static_cast<std::size_t>(options.seeds);
  std::vector<RunSummary> out(groups * systems);
  const Group group(experiment, trace);
  std::atomic<std::size_t> next{0};
  std::size_t done = 0;
  std::mutex telling;
  const auto work = [&] {
    // The heaviest loads first: the last ones to end are short.
    for (std::size_t i = next++; i < groups; i = next++) {
      const std::size_t at = groups - 1 - i;
      const std::uint64_t seed = experiment.settings.seed + at / experiment.loads.size();
      group.run(experiment.loads[at % experiment.loads.size()], seed, &out[at * systems]);
      const std::lock_guard lock(telling);
      ++done;
      if (options.progress) options.progress(done, groups);
    }
  };
  std::vector<std::thread> threads;
  const int wanted = options.threads > 0
                         ? options.threads
                         : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (int i = 1; i < wanted; ++i) threads.emplace_back(work);
  work();
  for (auto& thread : threads) thread.join();
  return out;
}

std::uint64_t digest_of(const std::vector<RunSummary>& runs) {
  std::uint64_t out = 0xCBF29CE484222325ULL;  // FNV-1a, by words
  for (const auto& run : runs)
    for (const std::uint64_t word : {run.digest, run.arrived, run.swap_outs, run.from_idle_list})
      out = (out ^ word) * 0x100000001B3ULL;
  return out;
}

Estimate over_seeds(const std::vector<RunSummary>& runs, System system, std::uint32_t load,
                    const std::function<double(const RunSummary&)>& figure) {
  std::vector<double> values;
  for (const auto& run : runs)
    if (run.system == system && run.load == load) values.push_back(figure(run));
  return estimate(values);
}

}  // namespace tariff::sim
