// SPDX-License-Identifier: Apache-2.0
// The simulator's words. One tick of the paper is one second here, kept as whole nanoseconds, so
// that sums are exact, ties are ties, and swap/policy's durations mean what they say.
//
// A job exists from its arrival at a shard to its end. All jobs of a run live in one table (Jobs);
// machines hold indices into it. Memory is counted in whole kilobytes (1000 bytes), so that it is
// conserved exactly.
// Threading: plain values; a run is one thread's.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace tariff::sim {

using Nanos = std::int64_t;  ///< since the run began
constexpr Nanos kTick = 1'000'000'000;
constexpr Nanos kNever = std::numeric_limits<Nanos>::max();

using Kilobytes = std::uint32_t;  ///< up to 4 TB
constexpr Kilobytes kMegabyte = 1'000;

using JobIndex = std::uint32_t;
constexpr JobIndex kNone = std::numeric_limits<JobIndex>::max();

constexpr int kMostClasses = 16;  ///< scheduler/model.h

/// The five systems, named like this in every output.
enum class System { Tariff, HermodPsTick, HermodPs, Edf, Ideal };
inline constexpr std::array kSystems = {System::Tariff, System::HermodPsTick, System::HermodPs,
                                 System::Edf, System::Ideal};
constexpr std::string_view name_of(System system) {
  constexpr std::array<std::string_view, 5> kNames = {"tariff", "hermod-ps-tick", "hermod-ps",
                                                      "edf", "ideal"};
  return kNames[static_cast<std::size_t>(system)];
}
/// One pool of all cores, no machines: no placement.
constexpr bool is_pool(System system) {
  return system == System::Edf || system == System::Ideal;
}

/// What arrives.
struct Arrival {
  Nanos at = 0;
  Nanos runtime = 0;            ///< CPU time, above 0
  Kilobytes most_memory = 0;
  std::uint16_t function = 0;
  std::uint8_t rank = 1;
};

/// A job that was accepted and has not ended.
struct Job {
  Nanos arrived = 0;
  Nanos runtime = 0;
  Nanos remaining = 0;     ///< CPU time; while it runs: as of when it was last started
  std::uint64_t id = 0;    ///< number of its arrival: first come first served
  JobIndex before = kNone; ///< neighbours in its machine's list of its class
  JobIndex after = kNone;
  std::uint32_t place = 0; ///< in the heap that holds it (sim/event_heap.h)
  std::uint8_t rank = 1;
  std::uint8_t state = 0;  ///< JobState
  std::uint16_t function = 0;
};

enum JobState : std::uint8_t {
  kWaiting,
  kRunning,
  kSuspended,  ///< frozen, in swap, or stalled for memory: never runs
  kBlocked,    ///< waits for I/O or for its start
  kGone,       ///< the slot is free
};

/// Slots are used again: the number of jobs at one time counts, not of all that ever were.
class Jobs {
 public:
  JobIndex add(const Job& job) {
    if (free_.empty()) {
      jobs_.push_back(job);
      return static_cast<JobIndex>(jobs_.size() - 1);
    }
    const JobIndex index = free_.back();
    free_.pop_back();
    jobs_[index] = job;
    return index;
  }
  void remove(JobIndex index) {
    jobs_[index].state = kGone;
    free_.push_back(index);
  }
  Job& operator[](JobIndex index) { return jobs_[index]; }
  const Job& operator[](JobIndex index) const { return jobs_[index]; }
  [[nodiscard]] std::size_t alive() const { return jobs_.size() - free_.size(); }
  [[nodiscard]] std::size_t slots() const { return jobs_.size(); }

 private:
  std::vector<Job> jobs_;
  std::vector<JobIndex> free_;
};

}  // namespace tariff::sim
