// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "sim/instant_swap.h"
#include "sim/policy_swap.h"
#include "sim/priority_machine.h"
#include "sim/ps_machine.h"
#include "sim/ps_tick_machine.h"

namespace tariff::sim {
namespace {

constexpr std::uint64_t kShardStream = 0x73686172;  // "shar"
constexpr std::uint64_t kClusterStream = 0x636C7573;

scheduler::Time policy_time(Nanos now) { return scheduler::Time(now); }

scheduler::ShardSettings shard_settings(const RunSettings& settings) {
  auto out = settings.placement.shard;
  out.classes.clear();
  // Hermod knows no classes: one price is first come first served, and every job counts.
  const bool classes = settings.system == System::Tariff;
  for (const auto& row : settings.workload.classes) {
    scheduler::ClassTerms terms{classes ? row.price : 1, std::nullopt, settings.placement.overdue};
    if (settings.placement.max_wait) terms.max_wait = policy_time(*settings.placement.max_wait);
    out.classes.push_back(terms);
  }
  if (classes) return out;
  out.use_idle_list = false;
  out.count = scheduler::CountRule::All;
  out.rule = scheduler::QueueRule::Product;
  return out;
}

}  // namespace

template <typename Machine>
Cluster<Machine>::Cluster(const RunSettings& settings, RunResult& result)
    : settings_(settings), result_(result), random_(settings.seed, kClusterStream) {
  const auto shard = shard_settings(settings);
  for (std::uint32_t i = 0; i < settings.placement.shards; ++i)
    shards_.push_back({scheduler::Shard(shard, settings.machines),
                       Random(settings.seed, kShardStream + i), false, 0});
  may_refuse_ = shard.limits.max_jobs_per_class || settings.swapping == Swapping::Policy ||
                !settings.failures.empty();
  immediate_ = shard.service_time.count() == 0 && settings.placement.communication == 0;
  agents_down_until_.resize(settings.machines);
  if (shard.use_idle_list) {
    offers_.resize(settings.machines);
    entered_.resize(settings.machines);
  }
  set_up_machines();
  for (std::uint32_t i = 0; i < settings.failures.size(); ++i)
    add_event(settings.failures[i].at, settings.failures[i].what == Failure::What::Agent
                                           ? Kind::FailAgents
                                           : Kind::FailShards, i);
}

template <typename Machine>
void Cluster<Machine>::set_up_machines() {
  machines_.resize(settings_.machines);
  auto& memory = result_.memory;
  memory.moved_out.resize(settings_.machines);
  memory.used.first = result_.busy.first = settings_.warm_up;
  for (std::uint32_t id = 0; id < settings_.machines; ++id) {
    const MachineContext context{&jobs_, &result_.sink,
                                 settings_.measure_busy ? &result_.busy : nullptr, id,
                                 settings_.cores, settings_.blocking};
    if constexpr (std::is_same_v<Machine, PriorityMachine>) {
      if (settings_.swapping == Swapping::Instant)
        memories_.push_back(
            std::make_unique<InstantSwap>(settings_.memory, memory, settings_.seed, id));
      if (settings_.swapping == Swapping::Policy)
        memories_.push_back(std::make_unique<PolicySwap>(settings_.memory, settings_.policy_swap,
                                                         memory, settings_.seed, id));
      machines_[id].set_up(context, memories_.empty() ? nullptr : memories_.back().get());
    } else {
      machines_[id].set_up(context);
    }
  }
}

template <typename Machine>
void Cluster<Machine>::run(Source& source) {
  const Nanos end = settings_.ticks * kTick;
  const Nanos look_every =
      !offers_.empty() ? settings_.placement.look : kNever;
  Nanos next_look = offers_.empty() ? kNever : 0;
  auto batch = source.next();
  while (true) {
    const Nanos batch_at = batch.empty() ? kNever : batch.front().at;
    const Nanos event_at = events_.empty() ? kNever : events_.top().at;
    const Nanos now = std::min({batch_at, event_at, next_look});
    if (now >= end) break;
    if (now == next_look) {
      look(now);
      next_look = now + look_every;
    } else if (now == event_at) {
      const Event event = events_.top();
      events_.pop();
      run_event(event);
    } else {
      for (const auto& arrival : batch) arrive(arrival);
      batch = source.next();
    }
  }
  close(end);
}

template <typename Machine>
typename Cluster<Machine>::ShardState& Cluster<Machine>::shard_for_next(Nanos now,
                                                                        std::uint32_t& index) {
  for (std::size_t tried = 0; tried < shards_.size(); ++tried) {
    index = next_shard_;
    next_shard_ = next_shard_ + 1 == shards_.size() ? 0 : next_shard_ + 1;
    if (shards_[index].down_until <= now) break;  // the load balancer passes over one that is down
  }
  return shards_[index];
}

template <typename Machine>
void Cluster<Machine>::arrive(const Arrival& arrival) {
  Job job;
  job.arrived = arrival.at;
  job.runtime = job.remaining = arrival.runtime;
  job.id = next_id_++;
  job.rank = arrival.rank;
  job.function = arrival.function;
  const JobIndex index = jobs_.add(job);
  if (settings_.swapping != Swapping::None) {
    auto& memory = result_.memory.of(index);
    memory = {};
    memory.most = arrival.most_memory;
    memory.size = first_size(settings_.memory, arrival.most_memory);
  }
  ++result_.arrived;
  std::uint32_t shard = 0;
  auto& state = shard_for_next(arrival.at, shard);
  auto& queue = result_.queue;
  const auto length = state.shard.queue().size();
  queue.mean += static_cast<double>(length);
  queue.longest = std::max<std::uint64_t>(queue.longest, length + 1);
  state.shard.accept(index, job.rank, policy_time(arrival.at));
  wake(shard, arrival.at);
}

/// There may be something to decide.
template <typename Machine>
void Cluster<Machine>::wake(std::uint32_t index, Nanos now) {
  auto& state = shards_[index];
  if (state.busy) return;
  if (immediate_) {
    while (attempt(index, now)) {}
    if (state.shard.queue().empty()) return;
    const auto again = state.shard.next_try(policy_time(now));
    if (!again) return;
    state.busy = true;
    add_event(again->count(), Kind::Decide, index);
    return;
  }
  if (state.shard.queue().empty()) return;
  state.busy = true;
  add_event(std::max(now, state.down_until) + state.shard.settings().service_time.count(),
            Kind::Decide, index);
}

template <typename Machine>
void Cluster<Machine>::decide(std::uint32_t index, Nanos now) {
  auto& state = shards_[index];
  state.busy = false;
  const bool made = attempt(index, now);
  if (made || immediate_) return wake(index, now);
  const auto again = state.shard.next_try(policy_time(now));
  if (!again) return;
  state.busy = true;
  add_event(again->count(), Kind::Decide, index);
}

/// One decision; false: nobody waits who may be tried.
template <typename Machine>
bool Cluster<Machine>::attempt(std::uint32_t index, Nanos now) {
  auto& state = shards_[index];
  if (settings_.placement.max_wait)
    for (const auto& rejection : state.shard.queue().reject_overdue(policy_time(now))) {
      const auto job = static_cast<JobIndex>(rejection.waiting.job);
      result_.sink.lost(jobs_[job], now, false, 0);
      jobs_.remove(job);
      ++result_.queue.rejected;
    }
  const auto attempt = state.shard.begin(policy_time(now));
  if (!attempt) return false;
  const int rank = attempt->waiting.rank;
  const Nanos one_way = settings_.placement.communication;
  if (attempt->from_idle_list && takes(*attempt->from_idle_list, rank, now)) {
    ++result_.from_idle_list;
    settle(index, *attempt, attempt->from_idle_list, now, one_way);
  } else if (one_way == 0) {
    settle(index, *attempt, poll(state, rank, now), now, 0);
  } else {
    add_event(now + one_way, Kind::Choose, index, static_cast<JobIndex>(attempt->waiting.job));
  }
  return true;
}

template <typename Machine>
std::optional<std::uint32_t> Cluster<Machine>::poll(ShardState& state, int rank, Nanos now) {
  const auto polled = state.shard.whom_to_poll(state.random);
  // With many machines each is a cache miss: the misses are waited for together.
  for (const auto machine : polled) __builtin_prefetch(&machines_[machine]);
  for (const auto machine : polled) machines_[machine].advance(now);
  return state.shard.choose(
      polled, rank, [&](std::uint32_t id) -> const auto& { return machines_[id].on(); },
      [&](std::uint32_t id) { return takes(id, rank, now); });
}

template <typename Machine>
void Cluster<Machine>::settle(std::uint32_t index, const scheduler::Attempt& attempt,
                              std::optional<std::uint32_t> machine, Nanos now, Nanos delay) {
  auto& state = shards_[index];
  if (!machine) {
    ++result_.queue.refusals;
    state.shard.refused(attempt, policy_time(now));
    return;
  }
  const Nanos waited = now - attempt.waiting.since.count();
  if (waited > 0) {
    ++result_.queue.waited;
    const double ticks = static_cast<double>(waited) / static_cast<double>(kTick);
    result_.queue.wait_sum += ticks;
    result_.queue.waits[static_cast<std::size_t>(attempt.waiting.rank) - 1].push_back(
        static_cast<float>(ticks));
  }
  const auto job = static_cast<JobIndex>(attempt.waiting.job);
  if (delay == 0) land(*machine, job, now);
  else add_event(now + delay, Kind::Land, *machine, job, index);
}

template <typename Machine>
void Cluster<Machine>::land(std::uint32_t machine, JobIndex job, Nanos now) {
  Nanos start = 0;
  if (settings_.cold_share > 0 && random_.unit() < settings_.cold_share)
    start = settings_.cold_time;
  machines_[machine].advance(now);
  machines_[machine].place(job, now, start);
  ++result_.placed;
}

template <typename Machine>
void Cluster<Machine>::run_event(const Event& event) {
  switch (event.kind) {
    case Kind::Decide: return decide(event.who, event.at);
    case Kind::Land: return land(event.who, event.job, event.at);
    case Kind::FailAgents:
    case Kind::FailShards: return fail(settings_.failures[event.who]);
    case Kind::Choose: break;
  }
  // The polled machines answer as they are now; their answers and the placement are still to
  // travel.
  auto& state = shards_[event.who];
  const int rank = jobs_[event.job].rank;
  scheduler::Attempt attempt;
  attempt.waiting = {event.job, rank, policy_time(jobs_[event.job].arrived)};
  settle(event.who, attempt, poll(state, rank, event.at), event.at,
         2 * settings_.placement.communication);
  wake(event.who, event.at);
}

template <typename Machine>
scheduler::MachineReport Cluster<Machine>::report(std::uint32_t machine) const {
  scheduler::MachineReport out;
  out.machine = machine;
  out.jobs = machines_[machine].on();
  out.total = std::uint64_t{settings_.memory.ram} * 1'000;
  out.free = out.total;
  if (!memories_.empty()) {
    out.free = memories_[machine]->free_kb() * 1'000;
    if (const int rank = memories_[machine]->suffers(); rank > 0) out.suffers = rank;
  }
  return out;
}

template <typename Machine>
bool Cluster<Machine>::takes(std::uint32_t machine, int rank, Nanos now) {
  if (!may_refuse_) return true;
  if (agents_down_until_[machine] > now) return false;
  machines_[machine].advance(now);
  return !scheduler::refuses(report(machine), rank, settings_.placement.shard.limits);
}

template <typename Machine>
void Cluster<Machine>::look(Nanos now) {
  for (std::uint32_t machine = 0; machine < machines_.size(); ++machine) {
    machines_[machine].advance(now);
    if (agents_down_until_[machine] <= now) offer(machine, now);
  }
}

template <typename Machine>
void Cluster<Machine>::offer(std::uint32_t machine, Nanos now) {
  auto told = report(machine);
  told.epoch = static_cast<std::uint64_t>(now / settings_.placement.look) + 1;
  auto& state = offers_[machine];
  const auto what =
      scheduler::what_to_offer(told, state, policy_time(now), settings_.placement.offer);
  if (what == scheduler::Offer::Nothing) return;
  auto& shard = shards_[entered_[machine]];
  if (what == scheduler::Offer::Leave) {
    if (!settings_.placement.entries_leave) return;
    shard.shard.idle().withdraw(machine, told.epoch);
  } else if (what == scheduler::Offer::Update && shard.down_until <= now) {
    shard.shard.idle().offer(told, policy_time(now));
  } else {
    std::vector<std::uint32_t> looked;
    scheduler::sample(static_cast<std::uint32_t>(shards_.size()), settings_.placement.k_shards,
                      random_, looked);
    std::erase_if(looked, [&](std::uint32_t id) { return shards_[id].down_until > now; });
    if (looked.empty()) return;
    entered_[machine] = scheduler::least_of(looked, [&](std::uint32_t id) {
      return shards_[id].shard.idle().size(policy_time(now));
    });
    shards_[entered_[machine]].shard.idle().offer(told, policy_time(now));
  }
  scheduler::told(state, what, told, policy_time(now));
}

template <typename Machine>
void Cluster<Machine>::fail(const Failure& failure) {
  if (failure.what == Failure::What::Agent) {
    // The agent does not answer; its jobs run on.
    const auto count = static_cast<std::uint32_t>(failure.share * settings_.machines);
    for (std::uint32_t machine = 0; machine < count; ++machine)
      agents_down_until_[machine] = failure.at + failure.time;
    return;
  }
  const auto count = std::max(1U, static_cast<std::uint32_t>(
                                      failure.share * static_cast<double>(shards_.size())));
  for (std::uint32_t i = 0; i < count && i < shards_.size(); ++i) {
    // What waited there is decided when it is back; its idle list is gone.
    shards_[i].down_until = failure.at + failure.time;
    for (std::uint32_t machine = 0; machine < offers_.size(); ++machine)
      if (entered_[machine] == i) {
        shards_[i].shard.idle().forget(machine);
        offers_[machine].offered = false;
      }
  }
}

template <typename Machine>
void Cluster<Machine>::close(Nanos end) {
  for (auto& machine : machines_) machine.close(end);
  for (std::size_t slot = 0; slot < jobs_.slots(); ++slot) {
    const auto& job = jobs_[static_cast<JobIndex>(slot)];
    if (job.state != kGone) result_.sink.unfinished(job, end, settings_.blocking.alone(job));
  }
  TARIFF_CHECK(result_.sink.ended() + jobs_.alive() == result_.arrived, "no job is lost");
  if (result_.arrived > 0) result_.queue.mean /= static_cast<double>(result_.arrived);
}

template class Cluster<PriorityMachine>;
template class Cluster<PsMachine>;
template class Cluster<PsTickMachine>;

}  // namespace tariff::sim
