// SPDX-License-Identifier: Apache-2.0
// What arrives: the generated workload of the paper's section 4.1, or a trace from a file. A source
// gives batches in order of time; all jobs of a batch arrive at one instant, highest class first.
//
// Generated, per job: minimum runtime = normal(mean, deviation) clamped; runtime = Pareto with that
// minimum and the shape; class by weight; memory uniform. Runtime, class and memory are
// independent. A load's workload depends only on the seed and the load, so all systems run the
// very same jobs. Units: ticks and megabytes in settings, as in the paper; nanoseconds and
// kilobytes in arrivals. Threading: a source is one run's; a Batches may be shared by many.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "sim/model.h"

namespace tariff::sim {

struct ClassMix {
  std::string name;
  double price = 1;
  double weight = 1;
};

/// From `from` on so many arrive with each tick, until the next step.
struct LoadStep {
  std::int64_t from = 0;
  std::uint32_t load = 0;
};

struct WorkloadSettings {
  double mean = 2;       ///< of the minimum runtime, ticks
  double deviation = 5;
  double least = 0.2;
  double most = 100;
  double shape = 25;     ///< of the Pareto distribution: 25 is nearly no tail, 1.5 a heavy one
  std::vector<ClassMix> classes = {{"bulk", 0.3, 35},
                                   {"background", 0.7, 25},
                                   {"standard", 1.0, 2},
                                   {"interactive", 1.5, 15},
                                   {"critical", 2.0, 23}};
  double least_memory = 100;
  double most_memory = 10'000;
  std::vector<LoadStep> steps;  ///< empty: the run's load all the time
  std::string trace;            ///< a file instead
  std::string trace_format = "csv";
};

class Source {
 public:
  virtual ~Source() = default;
  /// The jobs of the next instant at which any arrive; empty: no more. Valid until the next call.
  virtual std::span<const Arrival> next() = 0;
};

/// Generated while it runs: needs no memory to speak of.
std::unique_ptr<Source> generate(const WorkloadSettings& settings, std::uint32_t load,
                                 std::int64_t ticks, std::uint64_t seed);

/// The same, kept: for runs of several systems over one workload.
class Batches {
 public:
  explicit Batches(Source& source);
  explicit Batches(std::vector<Arrival> arrivals);  ///< in any order
  [[nodiscard]] std::unique_ptr<Source> source() const;
  [[nodiscard]] std::size_t jobs() const { return arrivals_.size(); }

 private:
  std::vector<Arrival> arrivals_;
  std::vector<std::size_t> begins_;
};

/// A trace as text. `csv`: a line of names, then time,function,class,runtime,memory (ticks, any
/// name, a class's name, ticks, MB). `azure`: the per-invocation columns of the public Azure
/// Functions trace of 2021 (app,func,end_timestamp,duration, in seconds); it has no classes and no
/// memory, so these are drawn as in section 4.1, the class once per function.
Result<std::vector<Arrival>> read_trace(const std::string& text, const WorkloadSettings& settings,
                                        std::uint64_t seed);

}  // namespace tariff::sim
