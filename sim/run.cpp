// SPDX-License-Identifier: Apache-2.0
#include "sim/run.h"

#include <algorithm>

#include "base/check.h"
#include "sim/cluster.h"
#include "sim/edf_machine.h"
#include "sim/priority_machine.h"
#include "sim/ps_machine.h"
#include "sim/ps_tick_machine.h"

namespace tariff::sim {
namespace {

/// One pool of all cores: nothing to place.
template <typename Pool>
void run_pool(Pool& pool, Jobs& jobs, const RunSettings& settings, RunResult& result,
              Source& source) {
  const Nanos end = settings.ticks * kTick;
  for (auto batch = source.next(); !batch.empty() && batch.front().at < end;
       batch = source.next()) {
    pool.advance(batch.front().at);
    for (const auto& arrival : batch) {
      Job job;
      job.arrived = arrival.at;
      job.runtime = job.remaining = arrival.runtime;
      job.id = result.arrived++;
      job.rank = arrival.rank;
      job.function = arrival.function;
      pool.place(jobs.add(job), arrival.at);
    }
  }
  pool.close(end);
  for (std::size_t slot = 0; slot < jobs.slots(); ++slot) {
    const auto& job = jobs[static_cast<JobIndex>(slot)];
    if (job.state != kGone) result.sink.unfinished(job, end, settings.blocking.alone(job));
  }
  TARIFF_CHECK(result.sink.ended() + jobs.alive() == result.arrived, "no job is lost");
  result.placed = result.arrived;
}

void run_pools(const RunSettings& settings, RunResult& result, Source& source) {
  Jobs jobs;
  result.busy.first = settings.warm_up;
  const MachineContext context{&jobs, &result.sink, settings.measure_busy ? &result.busy : nullptr,
                               0, settings.machines * settings.cores, settings.blocking};
  if (settings.system == System::Ideal) {
    PriorityMachine pool;
    pool.set_up(context);
    return run_pool(pool, jobs, settings, result, source);
  }
  double highest = 0;
  for (const auto& row : settings.workload.classes) highest = std::max(highest, row.price);
  std::vector<double> slack;
  for (const auto& row : settings.workload.classes) slack.push_back(highest / row.price);
  EdfMachine pool;
  pool.set_up(context, slack);
  run_pool(pool, jobs, settings, result, source);
}

template <typename Machine>
void run_cluster(const RunSettings& settings, RunResult& result, Source& source) {
  Cluster<Machine> cluster(settings, result);
  cluster.run(source);
}

}  // namespace

RunResult run(const RunSettings& settings, Source& source) {
  RunResult result(settings.keep_all);
  switch (settings.system) {
    case System::Tariff: run_cluster<PriorityMachine>(settings, result, source); break;
    case System::HermodPsTick: run_cluster<PsTickMachine>(settings, result, source); break;
    case System::HermodPs: run_cluster<PsMachine>(settings, result, source); break;
    case System::Edf:
    case System::Ideal: run_pools(settings, result, source); break;
  }
  return result;
}

}  // namespace tariff::sim
