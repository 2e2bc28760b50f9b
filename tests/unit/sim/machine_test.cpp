// SPDX-License-Identifier: Apache-2.0
// The machine models on small loads whose outcome can be said beforehand, and against a simulation
// in small steps. These builds run the invariant checkers after every event.
#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "sim/edf_machine.h"
#include "sim/priority_machine.h"
#include "sim/ps_machine.h"
#include "sim/ps_tick_machine.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::sim;

namespace {

struct Spec {
  double at = 0;
  int rank = 1;
  double runtime = 1;
};

Nanos nanos(double ticks) { return static_cast<Nanos>(ticks * static_cast<double>(kTick) + 0.5); }

/// When each job ended, in ticks; -1 if it did not.
template <typename Machine, typename SetUp>
std::vector<double> ends(const std::vector<Spec>& specs, std::uint32_t cores, double until,
                         SetUp&& set_up) {
  Jobs jobs;
  Sink sink(true);
  Machine machine;
  MachineContext context;
  context.jobs = &jobs;
  context.sink = &sink;
  context.cores = cores;
  set_up(machine, context);
  std::uint64_t id = 0;
  for (const auto& spec : specs) {
    Job job;
    job.arrived = nanos(spec.at);
    job.runtime = job.remaining = nanos(spec.runtime);
    job.rank = static_cast<std::uint8_t>(spec.rank);
    job.id = id++;
    machine.advance(job.arrived);
    machine.place(jobs.add(job), job.arrived);
  }
  machine.close(nanos(until));
  std::vector<double> out(specs.size(), -1);
  for (const auto& outcome : sink.all())
    out[outcome.id] = static_cast<double>(outcome.arrived + outcome.latency) /
                      static_cast<double>(kTick);
  return out;
}

template <typename Machine>
std::vector<double> ends(const std::vector<Spec>& specs, std::uint32_t cores, double until = 1e3) {
  return ends<Machine>(specs, cores, until,
                       [](Machine& machine, const auto& context) { machine.set_up(context); });
}

void check(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).margin(1e-6));
}

/// SCHED_FIFO in steps of a thousandth of a tick.
std::vector<double> priority_in_steps(const std::vector<Spec>& specs, std::size_t cores,
                                      double step) {
  std::vector<double> left;
  for (const auto& spec : specs) left.push_back(spec.runtime);
  std::vector<double> out(specs.size(), -1);
  for (int at = 0; at < 200'000; ++at) {
    const double now = at * step;
    std::vector<std::size_t> line;
    for (std::size_t i = 0; i < specs.size(); ++i)
      if (specs[i].at <= now + 1e-9 && left[i] > 1e-9) line.push_back(i);
    std::stable_sort(line.begin(), line.end(),
                     [&](auto one, auto other) { return specs[one].rank > specs[other].rank; });
    for (std::size_t i = 0; i < line.size() && i < cores; ++i) {
      left[line[i]] -= step;
      if (left[line[i]] <= 1e-9) out[line[i]] = now + step;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("priority: a higher class preempts at once, and who was preempted goes on") {
  check(ends<PriorityMachine>({{0, 1, 4}, {1, 3, 2}, {2, 3, 1}}, 1), {7, 3, 4});
}

TEST_CASE("priority: within a class the first to come is served first, also after a preemption") {
  check(ends<PriorityMachine>({{0, 2, 3}, {1, 2, 1}, {2, 5, 1}}, 1), {4, 5, 3});
}

TEST_CASE("priority: the lowest class that runs gives way, its last to come") {
  check(ends<PriorityMachine>({{0, 1, 4}, {0, 1, 4}, {0, 2, 4}, {1, 3, 1}}, 3), {4, 5, 4, 2});
}

TEST_CASE("priority: exact events end jobs when small steps do") {
  Random random(static_cast<std::uint64_t>(GENERATE(range(1, 8))));
  std::vector<Spec> specs;
  double at = 0;
  for (int i = 0; i < 60; ++i) {
    at += random.below(400) / 100.0 / 3;
    specs.push_back({std::round(at * 100) / 100, 1 + static_cast<int>(random.below(5)),
                     (1 + random.below(500)) / 100.0});
  }
  const auto exact = ends<PriorityMachine>(specs, 3);
  const auto steps = priority_in_steps(specs, 3, 0.01);
  for (std::size_t i = 0; i < specs.size(); ++i) CHECK(exact[i] == Approx(steps[i]).margin(0.011));
}

TEST_CASE("ps: jobs share the cores exactly") {
  check(ends<PsMachine>({{0, 1, 1}, {0, 1, 2}}, 1), {2, 3});
  check(ends<PsMachine>({{0, 1, 1}, {0, 5, 1}, {0, 1, 1}}, 2), {1.5, 1.5, 1.5});
  check(ends<PsMachine>({{0, 1, 1}, {0, 1, 1}}, 2), {1, 1});
  check(ends<PsMachine>({{0, 1, 2}, {1, 1, 1}}, 1), {3, 3});
}

TEST_CASE("ps-tick: dealt round-robin, what a short job leaves goes to those behind it") {
  // Core 0 has jobs 0 and 2, core 1 has job 1, which idles when it is done.
  check(ends<PsTickMachine>({{0, 1, 0.5}, {0, 1, 0.25}, {0, 1, 1}}, 2), {0.5, 0.25, 1.5});
  // Job 0 uses less than its half; the rest is job 1's.
  check(ends<PsTickMachine>({{0, 1, 0.2}, {0, 1, 0.8}}, 1), {0.2, 1});
  // Exact sharing would end them at 1.25: here the second core idles for half a tick.
  check(ends<PsTickMachine>({{0, 1, 1}, {0, 1, 0.5}, {0, 1, 1}}, 2), {1.5, 0.5, 1.5});
}

TEST_CASE("edf: the earliest deadline runs, whatever came first") {
  const auto set_up = [](EdfMachine& machine, const auto& context) {
    machine.set_up(context, {4.0, 1.0});
  };
  // Deadlines 0 + 3 x 4 = 12, 1 + 2 = 3, 2 + 0.5 x 4 = 4.
  check(ends<EdfMachine>({{0, 1, 3}, {1, 2, 2}, {2, 1, 0.5}}, 1, 100, set_up), {5.5, 3, 3.5});
}

TEST_CASE("every model loses no job and no work under load") {
  Random random(5);
  std::vector<Spec> specs;
  double total = 0;
  for (int i = 0; i < 3'000; ++i) {
    specs.push_back({std::floor(i / 30.0), 1 + static_cast<int>(random.below(5)),
                     0.05 + random.unit() * 0.3});
    total += specs.back().runtime;
  }
  const auto last = [](const std::vector<double>& ended) {
    CHECK(*std::min_element(ended.begin(), ended.end()) >= 0);
    return *std::max_element(ended.begin(), ended.end());
  };
  const double cores = 4;
  const auto edf = [](EdfMachine& machine, const auto& context) {
    machine.set_up(context, {6.67, 2.86, 2, 1.33, 1});
  };
  CHECK(last(ends<PriorityMachine>(specs, 4)) >= total / cores);
  CHECK(last(ends<PriorityMachine>(specs, 4)) <= total / cores + 1);
  CHECK(last(ends<PsMachine>(specs, 4)) <= total / cores + 1);
  CHECK(last(ends<EdfMachine>(specs, 4, 1e3, edf)) <= total / cores + 1);
  CHECK(last(ends<PsTickMachine>(specs, 4)) >= total / cores);
}

TEST_CASE("a function that blocks frees its CPU, and its own wait is no slowdown") {
  const auto set_up = [](PriorityMachine& machine, MachineContext context) {
    context.blocking = {nanos(1), nanos(2)};
    machine.set_up(context);
  };
  // Alone: 1 + 2 + 1. The second computes while the first blocks.
  check(ends<PriorityMachine>({{0, 1, 2}, {0, 1, 1.5}}, 1, 100, set_up), {4, 4.5});
}

TEST_CASE("utilisation is the busy share of each tick") {
  Jobs jobs;
  Sink sink(false);
  Samples samples;
  PriorityMachine machine;
  MachineContext context{&jobs, &sink, &samples, 0, 2, {}};
  machine.set_up(context);
  Job job;
  job.runtime = job.remaining = nanos(1.5);
  machine.place(jobs.add(job), 0);
  machine.close(nanos(3));
  REQUIRE(samples.values.size() == 3);
  CHECK(samples.values[0] == Approx(0.5));
  CHECK(samples.values[1] == Approx(0.25));
  CHECK(samples.values[2] == Approx(0));
}
