// SPDX-License-Identifier: Apache-2.0
// One shard of the global scheduler: from a queue of jobs and an idle list to "this job goes to
// that machine". It composes the policies beside it and does nothing itself: who polls machines and
// delivers placements is the daemon, or the simulator.
//
//   shard.accept(job, rank, now);
//   while (auto attempt = shard.begin(now, random)) {        // next job, machines to look at
//     const auto machine = shard.choose(*attempt, report_of); // the least loaded that takes it
//     if (!machine) shard.refused(*attempt, now);             // it waits on, ask again later
//   }
//   timer.expires_at(shard.next_try(now));
//
// A class whose job was refused everywhere rests for retry_pause; the other classes go on, so that
// a bulk job that nobody wants does not stand in the way of a critical one.
//
// An attempt that came from the idle list names one machine and needs no poll; if that machine
// refuses, the shard polls.
// Threading: plain value.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"
#include "scheduler/idle_list.h"
#include "scheduler/k_choices.h"
#include "scheduler/model.h"
#include "scheduler/multi_queue.h"

namespace tariff::scheduler {

struct ShardSettings {
  std::vector<ClassTerms> classes;  ///< by rank, lowest first
  QueueRule rule = QueueRule::Product;
  std::uint32_t k = 3;                      ///< machines polled; the paper's 4.1
  std::uint32_t k_after_empty_list = 3;     ///< the author polls all 100 when his list is empty
  bool use_idle_list = true;
  IdleSettings idle;
  Bytes expected_memory = 0;                ///< of a job, that an entry is debited
  CountRule count = CountRule::All;
  RefusalLimits limits;
  /// What a decision takes: arrivals that exceed 1 / service_time (50,000 a second) wait.
  Duration service_time = std::chrono::microseconds(20);
  /// About a poll's round trip and a half: asking again sooner would find the machines as they
  /// were.
  Duration retry_pause = std::chrono::milliseconds(10);
};

struct Attempt {
  Waiting waiting;
  std::optional<MachineId> from_idle_list;  ///< place it there, without a poll
};

class Shard {
 public:
  /// `machines`: how many there are; their ids are below it.
  Shard(const ShardSettings& settings, std::uint32_t machines)
      : settings_(settings), machines_(machines), queue_(settings.classes, settings.rule),
        idle_(settings.idle) {}

  void accept(JobId job, int rank, Time now) { queue_.push(job, rank, now); }

  /// The next job and the idle list's answer; empty: nobody waits. The attempt is the caller's
  /// until it is placed, or given back with refused().
  std::optional<Attempt> begin(Time now);

  /// Which machines to poll; valid until the next call.
  std::span<const MachineId> whom_to_poll(Random& random);

  /// Of those polled, the least loaded one that takes it. jobs_on(id): its JobsByClass;
  /// takes(id): it would not refuse.
  template <typename JobsOn, typename Takes>
  std::optional<MachineId> choose(std::span<const MachineId> polled, int rank, JobsOn&& jobs_on,
                                  Takes&& takes) const {
    std::optional<MachineId> best;
    std::uint32_t least = 0;
    for (const auto machine : polled) {
      const auto load = load_of(jobs_on(machine), rank, settings_.count);
      if ((best && load >= least) || !takes(machine)) continue;
      best = machine;
      least = load;
    }
    return best;
  }

  /// Everybody refused: it keeps its place and its time, and its class rests.
  void refused(const Attempt& attempt, Time now);

  /// When a class that rests and has jobs may be tried again; empty: none does.
  [[nodiscard]] std::optional<Time> next_try(Time now) const;

  [[nodiscard]] MultiQueue& queue() { return queue_; }
  [[nodiscard]] const MultiQueue& queue() const { return queue_; }
  [[nodiscard]] IdleList& idle() { return idle_; }
  [[nodiscard]] const ShardSettings& settings() const { return settings_; }

 private:
  [[nodiscard]] std::uint32_t allowed(Time now) const;

  ShardSettings settings_;
  std::uint32_t machines_;
  std::array<Time, kMostClasses> rests_until_{};
  MultiQueue queue_;
  IdleList idle_;
  std::vector<MachineId> polled_;
};

}  // namespace tariff::scheduler
