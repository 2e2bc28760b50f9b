// SPDX-License-Identifier: Apache-2.0
// Shards and machines together: jobs arrive at shards in turn, the shards' policies place them, the
// agents enter idle lists. What is global is an event here; what happens on a machine is its own.
//
// Order at one instant: agents look (the end of a tick), then what is due, then what arrives.
// Where decisions take no time and nobody refuses, a batch is placed at once, without an event.
// Threading: one run is one thread's.
#pragma once

#include <memory>
#include <queue>
#include <vector>

#include "sim/machine_memory.h"
#include "sim/run.h"

namespace tariff::sim {

template <typename Machine>
class Cluster {
 public:
  Cluster(const RunSettings& settings, RunResult& result);
  void run(Source& source);

 private:
  enum class Kind : std::uint8_t { Decide, Choose, Land, FailAgents, FailShards };
  struct Event {
    Nanos at = 0;
    std::uint64_t order = 0;
    Kind kind = Kind::Decide;
    std::uint32_t who = 0;  ///< shard; for Land the machine; for Fail* the failure
    JobIndex job = kNone;
    std::uint32_t shard = 0;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct ShardState {
    scheduler::Shard shard;
    Random random;
    bool busy = false;   ///< a Decide is under way
    Nanos down_until = 0;
  };

  void set_up_machines();
  void add_event(Nanos at, Kind kind, std::uint32_t who, JobIndex job = kNone,
                 std::uint32_t shard = 0) {
    events_.push({at, order_++, kind, who, job, shard});
  }
  void arrive(const Arrival& arrival);
  ShardState& shard_for_next(Nanos now, std::uint32_t& index);
  void wake(std::uint32_t shard, Nanos now);
  void run_event(const Event& event);
  void decide(std::uint32_t shard, Nanos now);
  bool attempt(std::uint32_t shard, Nanos now);
  std::optional<std::uint32_t> poll(ShardState& state, int rank, Nanos now);
  void settle(std::uint32_t shard, const scheduler::Attempt& attempt,
              std::optional<std::uint32_t> machine, Nanos now, Nanos delay);
  void land(std::uint32_t machine, JobIndex job, Nanos now);
  void look(Nanos now);
  void offer(std::uint32_t machine, Nanos now);
  bool takes(std::uint32_t machine, int rank, Nanos now);
  scheduler::MachineReport report(std::uint32_t machine) const;
  void fail(const Failure& failure);
  void close(Nanos end);

  const RunSettings& settings_;
  RunResult& result_;
  Jobs jobs_;
  std::vector<std::unique_ptr<MachineMemory>> memories_;
  std::vector<Machine> machines_;
  std::vector<ShardState> shards_;
  std::vector<scheduler::OfferState> offers_;
  std::vector<std::uint32_t> entered_;  ///< the shard of the machine's entry
  std::vector<Nanos> agents_down_until_;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  std::uint32_t next_shard_ = 0;
  std::uint64_t next_id_ = 0;
  Random random_;
  bool may_refuse_ = false;
  bool immediate_ = true;
};

}  // namespace tariff::sim
