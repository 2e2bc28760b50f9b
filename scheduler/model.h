// SPDX-License-Identifier: Apache-2.0
// The words that the global scheduler's policies share: what a machine tells of itself, how its
// jobs are counted, and why it refuses one. Nothing here reads a clock or a file.
//
// Jobs on a machine are those placed and not ended: running, waiting and swapped, always per class.
// Ranks start at 1, the cheapest class; the array index is rank - 1.
// Units: bytes, nanoseconds of one monotonic clock. Threading: plain values.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tariff::scheduler {

using Bytes = std::uint64_t;
using Duration = std::chrono::nanoseconds;
using Time = std::chrono::nanoseconds;  ///< since any fixed moment
using MachineId = std::uint32_t;        ///< index into the shard's list of machines
using JobId = std::uint64_t;

/// FIFO priorities 10..39 hold 15 classes that are 2 apart (config/schema.h FifoBands); 16 is
/// round.
constexpr int kMostClasses = 16;

constexpr std::size_t index_of(int rank) { return static_cast<std::size_t>(rank) - 1; }

class JobsByClass {
 public:
  void add(int rank, std::uint32_t jobs = 1) {
    by_class_[index_of(rank)] += jobs;
    total_ += jobs;
  }
  /// Requires: that many are there.
  void remove(int rank, std::uint32_t jobs = 1) {
    by_class_[index_of(rank)] -= jobs;
    total_ -= jobs;
  }
  [[nodiscard]] std::uint32_t of(int rank) const { return by_class_[index_of(rank)]; }
  [[nodiscard]] std::uint32_t total() const { return total_; }
  [[nodiscard]] std::uint32_t at_least(int rank) const {
    std::uint32_t sum = 0;
    for (std::size_t i = index_of(rank); i < by_class_.size(); ++i) sum += by_class_[i];
    return sum;
  }
  bool operator==(const JobsByClass&) const = default;

 private:
  std::uint32_t total_ = 0;  // first: it is what most looks read
  std::array<std::uint32_t, kMostClasses> by_class_{};
};

/// Which jobs count when machines are compared.
enum class CountRule {
  All,             ///< every job placed and not ended (the paper, 3.2)
  AtLeastMyClass,  ///< only those that a strict priority would let delay me
};

inline std::uint32_t load_of(const JobsByClass& jobs, int rank, CountRule rule) {
  return rule == CountRule::All ? jobs.total() : jobs.at_least(rank);
}

/// What a machine tells shards of itself, when polled and when it enters an idle list.
struct MachineReport {
  MachineId machine = 0;
  Bytes total = 0;               ///< RAM
  Bytes free = 0;                ///< less what waits to come back from swap (ADR 12)
  JobsByClass jobs;
  std::uint64_t epoch = 0;       ///< ever growing per machine: an older report never wins
  std::optional<int> suffers;    ///< the highest class that feels memory pressure there
};

/// Why a machine does not take a job.
enum class Refusal {
  TooManyJobs,  ///< max_jobs_per_class
  Pressure,     ///< a class of equal or higher rank already waits for memory there
};

struct RefusalLimits {
  std::optional<std::uint32_t> max_jobs_per_class;
};

/// Empty: it takes a job of that rank.
std::optional<Refusal> refuses(const MachineReport& report, int rank, const RefusalLimits& limits);

std::string_view word(Refusal refusal);

}  // namespace tariff::scheduler
