// SPDX-License-Identifier: Apache-2.0
// A shard's idle list: the machines that said they have memory to spare, so that a job can be
// placed without asking anybody. The paper's section 3.2; join-idle-queue by memory.
//
// A machine is on it once, with its last report. Using an entry adjusts it at once (one job more,
// so much memory less): two placements in a row do not herd onto one machine. An entry is dropped
// when too little of it is left, and expires, since a machine that died does not withdraw.
// Costs: O(log entries) for everything, whatever the number of machines.
// Units: bytes, nanoseconds. Threading: plain value.
#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "scheduler/model.h"

namespace tariff::scheduler {

enum class IdleOrder {
  SmallestQueue,  ///< fewest jobs, then most free memory (the paper)
  MostFree,       ///< most free memory (the author's simulator)
};

struct IdleSettings {
  IdleOrder order = IdleOrder::SmallestQueue;
  std::optional<Duration> lifetime;           ///< since the last report; empty: until it is used up
  Bytes least_free = 0;                       ///< dropped when an adjusted entry has less
  std::optional<std::uint32_t> drop_at_jobs;  ///< dropped when an adjusted entry has so many
};

class IdleList {
 public:
  explicit IdleList(const IdleSettings& settings) : settings_(settings) {}

  /// Enters or updates. False: a newer report of it was seen before.
  bool offer(const MachineReport& report, Time now);

  /// It leaves; one that is not there is no error. An older withdrawal changes nothing.
  void withdraw(MachineId machine, std::uint64_t epoch);

  /// The machine died, whatever its epoch.
  void forget(MachineId machine);

  /// The best entry for one job of that rank, adjusted by it. `expected`: memory it will take.
  std::optional<MachineId> take(int rank, Bytes expected, Time now);

  /// Entries that have not expired.
  [[nodiscard]] std::size_t size(Time now);
  [[nodiscard]] const MachineReport* find(MachineId machine) const;

 private:
  struct Entry {
    MachineReport report;
    Time reported{0};
  };
  struct Expiry {
    MachineId machine = 0;
    Time reported{0};
  };
  [[nodiscard]] bool better(const Entry& one, const Entry& other) const;
  void expire(Time now);
  void erase(std::size_t at);
  void settle(std::size_t at);
  bool rise(std::size_t at);
  void sink(std::size_t at);
  void swap_entries(std::size_t one, std::size_t other);

  IdleSettings settings_;
  std::vector<Entry> heap_;  ///< binary, the best first
  std::unordered_map<MachineId, std::size_t> places_;
  std::unordered_map<MachineId, std::uint64_t> epochs_;  ///< also of those that left
  std::deque<Expiry> expiries_;                          ///< oldest first; stale ones are skipped
};

}  // namespace tariff::scheduler
