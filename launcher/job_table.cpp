// SPDX-License-Identifier: Apache-2.0
#include "launcher/job_table.h"

#include <algorithm>

#include "base/check.h"

namespace tariff::launcher {
namespace {

// CPU time is looked at no more often than this, so that a job near its limit costs little.
constexpr Nanos kCpuLookAtLeast = 10'000'000;
// A KILL is repeated this often until the leaf is empty: what forked while the dying were raised is
// killed, but may be starved.
constexpr Nanos kKillAgain = 1'000'000'000;
// Memory counts as unchanged if it has by no more than this part.
constexpr std::uint64_t kSteadyPart = 16;
constexpr std::int64_t kNanosPerMicrosecond = 1'000;
// How many dropped ids are remembered: at most about 8 MiB with the longest ids.
constexpr std::size_t kTombstones = 65'536;
// What a record costs beside its result, for the bound on retained bytes.
constexpr std::uint64_t kRecordBytes = 1'024;

using enum JobState;
constexpr JobState kIllegal = Unknown;
constexpr JobState kNext[kJobStates][5] = {
    //              Cloned    FirstRan  EndRequested  MainExited  Emptied
    /* Unknown   */ {kIllegal, kIllegal, kIllegal,     kIllegal,   kIllegal},
    /* Launching */ {Waiting,  kIllegal, Launching,    kIllegal,   kIllegal},
    /* Waiting   */ {kIllegal, Running,  Ending,       Ending,     kIllegal},
    /* Running   */ {kIllegal, kIllegal, Ending,       Ending,     kIllegal},
    /* Ending    */ {kIllegal, Ending,   Ending,       Ending,     Ended},
    /* Ended     */ {kIllegal, kIllegal, Ended,        kIllegal,   kIllegal},
    /* Expired   */ {kIllegal, kIllegal, kIllegal,     kIllegal,   kIllegal},
};

void earliest(std::optional<Nanos>& best, std::optional<Nanos> candidate) {
  if (candidate && (!best || *candidate < *best)) best = candidate;
}

ByteMicroseconds area(std::uint64_t bytes, Nanos duration) {
  if (duration <= 0) return 0;
  return static_cast<ByteMicroseconds>(bytes) *
         static_cast<ByteMicroseconds>(duration / kNanosPerMicrosecond);
}

std::uint64_t kept_bytes_of(const JobRecord& record) { return record.result_bytes + kRecordBytes; }

/// What ended the job if nobody asked for its end.
void decide_reason(JobRecord& record, const JobUsage& usage) {
  if (record.reason != EndReason::Exited && record.reason != EndReason::Signaled) return;
  if (usage.oom_kills > 0 && record.reason == EndReason::Signaled) {
    const bool own = record.spec.memory_max != 0;
    record.reason = own ? EndReason::OutOfMemory : EndReason::KilledForMemory;
    record.message = own ? "needed more than its memory_max of " +
                               std::to_string(record.spec.memory_max) + " bytes"
                         : "killed by the kernel: the machine or the job tree is out of memory";
  } else if (usage.result_offset > record.spec.result_max) {
    record.reason = EndReason::ResultTooLarge;
    record.message = "wrote more than its result_max of " +
                     std::to_string(record.spec.result_max) + " bytes to stdout";
  }
}

}  // namespace

void JobTable::configure(const Settings& settings) {
  settings_ = settings;
  uids_.set_range(settings.uid_first, settings.uid_count);
}

JobTable::Job& JobTable::get(const std::string& id) {
  const auto found = jobs_.find(id);
  TARIFF_CHECK(found != jobs_.end(), "an event for a job that is not in the table");
  return found->second;
}

const JobRecord* JobTable::find(const std::string& id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second.record;
}

void JobTable::for_each(const std::function<void(const JobRecord&)>& visit) const {
  for (const auto& [id, job] : jobs_) visit(job.record);
}

void JobTable::for_each_row(const std::function<void(const Job&)>& visit) const {
  for (const auto& id : ended_)
    if (const auto found = jobs_.find(id); found != jobs_.end()) visit(found->second);
  for (const auto& [id, job] : jobs_)
    if (job.record.state != Ended) visit(job);
}

void JobTable::restore(Job job) {
  job.due.reset();
  const std::string id = job.record.spec.id;
  const auto [row, added] = jobs_.emplace(id, std::move(job));
  if (!added) return;
  if (row->second.record.state == Ended) {
    ended_.push_back(id);
    kept_bytes_ += kept_bytes_of(row->second.record);
  }
  schedule(row->second);
}

void JobTable::restore_dropped(const std::string& id) {
  if (tombstones_.insert(id).second) tombstone_order_.push_back(id);
}

void JobTable::restore_uids(const std::vector<std::uint32_t>& used, std::uint32_t next) {
  for (const auto uid : used) uids_.keep(uid);
  uids_.set_next(next);
}

void JobTable::move(Job& job, Event event) {
  const JobState next = kNext[static_cast<int>(job.record.state)][static_cast<int>(event)];
  TARIFF_CHECK(next != kIllegal, "a job cannot make this transition");
  job.record.state = next;
}

Admission JobTable::admit(JobSpec spec) {
  if (const auto found = jobs_.find(spec.id); found != jobs_.end()) {
    const JobSpec& known = found->second.record.spec;
    const bool same =
        known.function == spec.function && known.payload_digest == spec.payload_digest;
    return same ? Admission::Repeated : Admission::IdInUse;
  }
  if (tombstones_.contains(spec.id)) return Admission::Expired;
  const auto uid = uids_.take();
  if (!uid) return Admission::NoUid;
  Job job;
  job.record.uid = *uid;
  job.record.spec = std::move(spec);
  const std::string id = job.record.spec.id;
  jobs_.emplace(id, std::move(job));
  return Admission::New;
}

void JobTable::launch_failed(const std::string& id) {
  Job& job = get(id);
  TARIFF_CHECK(job.record.state == Launching, "a launch that succeeded cannot fail");
  if (job.due) due_.erase({*job.due, id});
  jobs_.erase(id);
}

void JobTable::restore_lost(JobRecord record, Nanos now) {
  uids_.keep(record.uid);
  record.state = Ending;
  record.reason = EndReason::LauncherLost;
  record.message = "the launcher died; the job was ended and its result is lost";
  record.main_exited = now;
  if (record.launched == 0) record.launched = record.spec.accepted > 0 ? record.spec.accepted : now;
  Job job;
  job.record = std::move(record);
  job.terminated = true;
  job.kill_at = now + kKillAgain;  // the caller kills it at once
  const std::string id = job.record.spec.id;
  schedule(jobs_.insert_or_assign(id, std::move(job)).first->second);
}

void JobTable::cloned(const std::string& id, int pid, std::string leaf, Nanos now) {
  Job& job = get(id);
  move(job, Event::Cloned);
  job.record.pid = pid;
  job.record.leaf = std::move(leaf);
  job.record.launched = now;
  if (job.record.reason != EndReason::None) move(job, Event::EndRequested);
  schedule(job);
}

void JobTable::first_ran(const std::string& id, Nanos at) {
  Job& job = get(id);
  move(job, Event::FirstRan);
  job.record.first_ran = at;
  job.frozen_before_run = job.record.frozen + (job.frozen_since ? at - *job.frozen_since : 0);
  if (job.record.spec.cpu_timeout > 0)
    job.cpu_look_at =
        at + std::max(kCpuLookAtLeast, job.record.spec.cpu_timeout / settings_.cpus);
  schedule(job);
}

void JobTable::initialised(const std::string& id, InitialisedBy by, Nanos at) {
  JobRecord& record = get(id).record;
  // The marker is the handler's own word and wins over a read of stdin.
  if (record.initialised != 0 && record.initialised_by == InitialisedBy::Marker) return;
  if (record.initialised != 0 && by == InitialisedBy::FirstRead) return;
  record.initialised = at;
  record.initialised_by = by;
}

void JobTable::set_frozen(const std::string& id, bool frozen, Nanos now) {
  Job& job = get(id);
  if (frozen == job.frozen_since.has_value()) return;
  if (frozen) {
    job.frozen_since = now;
  } else {
    job.record.frozen += now - *job.frozen_since;
    job.frozen_since.reset();
  }
  schedule(job);
}

void JobTable::start_failed(const std::string& id, EndReason reason, std::string message) {
  JobRecord& record = get(id).record;
  if (record.reason != EndReason::None) return;
  record.reason = reason;
  record.message = std::move(message);
}

void JobTable::stderr_counted(const std::string& id, std::uint64_t bytes, std::uint64_t dropped) {
  JobRecord& record = get(id).record;
  record.stderr_bytes = bytes;
  record.stderr_dropped_bytes = dropped;
}

bool JobTable::memory_sample(const std::string& id, std::uint64_t bytes, Nanos now) {
  Job& job = get(id);
  // Before the first sample: as much as then. Between two: a straight line (trapezoid).
  const std::uint64_t before = job.sampled_at ? job.sampled_bytes : bytes;
  const Nanos since = job.sampled_at.value_or(job.record.launched);
  job.record.memory_used += area(before / 2 + bytes / 2 + (before & bytes & 1), now - since);
  const std::uint64_t difference = bytes > before ? bytes - before : before - bytes;
  const bool steady = job.sampled_at.has_value() && difference <= before / kSteadyPart;
  job.sampled_at = now;
  job.sampled_bytes = bytes;
  return steady;
}

void JobTable::cpu_used(const std::string& id, std::int64_t cpu_us, Nanos now) {
  Job& job = get(id);
  const Nanos left = job.record.spec.cpu_timeout - cpu_us * kNanosPerMicrosecond;
  job.record.cpu_us = std::max(job.record.cpu_us, cpu_us);
  if (job.record.state != Running) return;
  if (left <= 0) return request(job, EndReason::CpuTimeout, now);
  job.cpu_look_at = now + std::max(kCpuLookAtLeast, left / settings_.cpus);
  schedule(job);
}

bool JobTable::request_end(const std::string& id, EndReason reason, Nanos now) {
  Job& job = get(id);
  if (job.record.state == Ended || job.record.main_exited != 0) return false;
  request(job, reason, now);
  return true;
}

void JobTable::request(Job& job, EndReason reason, Nanos now) {
  if (job.record.reason == EndReason::None) job.record.reason = reason;
  move(job, Event::EndRequested);
  // Memory is needed now: no grace.
  if (reason == EndReason::KilledForMemory) {
    job.terminated = true;
    job.kill_at = now;
  }
  schedule(job);
}

void JobTable::main_exited(const std::string& id, MainExit exit, Nanos now) {
  Job& job = get(id);
  move(job, Event::MainExited);
  job.record.main_exited = now;
  if (exit.by_signal) job.record.signal = exit.value;
  else job.record.exit_status = exit.value;
  if (job.record.reason == EndReason::None)
    job.record.reason = exit.by_signal ? EndReason::Signaled : EndReason::Exited;
  job.terminated = true;
  job.kill_at = now + kKillAgain;  // the caller kills the rest at once
  schedule(job);
}

void JobTable::emptied(const std::string& id, const JobUsage& usage, Nanos now) {
  Job& job = get(id);
  move(job, Event::Emptied);
  JobRecord& record = job.record;
  if (job.frozen_since) record.frozen += now - *job.frozen_since;
  job.frozen_since.reset();
  record.ended = now;
  record.cpu_us = std::max(record.cpu_us, usage.cpu_us);
  record.cpu_pressure_us = usage.cpu_pressure_us;
  record.memory_peak = usage.memory_peak;
  decide_reason(record, usage);
  record.result_bytes = usage.result_offset > record.spec.result_max ? 0 : usage.result_offset;
  record.memory_estimated = !job.sampled_at;
  record.memory_used += job.sampled_at ? area(job.sampled_bytes, now - *job.sampled_at)
                                       : area(usage.memory_peak, now - record.launched);
  job.drop_at = now + settings_.retention;
  ended_.push_back(id);
  kept_bytes_ += kept_bytes_of(record);
  schedule(job);
  keep_within_bytes();
}

void JobTable::acknowledge(const std::string& id, Nanos now) {
  Job& job = get(id);
  job.record.acknowledged = true;
  if (job.record.state == Ended) job.drop_at = std::min(*job.drop_at, now);
  schedule(job);
}

/// Oldest ended first; the newest one always stays.
void JobTable::keep_within_bytes() {
  std::uint64_t excess = kept_bytes_ > settings_.retention_bytes
                             ? kept_bytes_ - settings_.retention_bytes : 0;
  for (std::size_t index = 0; excess > 0 && index + 1 < ended_.size(); ++index) {
    const auto found = jobs_.find(ended_[index]);
    if (found == jobs_.end() || found->second.record.state != Ended) continue;
    Job& job = found->second;
    excess -= std::min(excess, kept_bytes_of(job.record));
    job.drop_at = std::min(*job.drop_at, job.record.ended);  // a moment that has passed: due now
    schedule(job);
  }
}

Nanos JobTable::timeout_at(const Job& job) const {
  const JobRecord& record = job.record;
  return record.first_ran + record.spec.timeout + (record.frozen - job.frozen_before_run);
}

std::optional<Nanos> JobTable::due_of(const Job& job) const {
  const JobRecord& record = job.record;
  std::optional<Nanos> due;
  switch (record.state) {
    case Waiting:
    case Running:
      if (record.spec.deadline > 0) earliest(due, record.spec.deadline);
      if (job.frozen_since) return due;  // neither run time nor CPU time passes
      if (record.spec.timeout > 0 && record.first_ran > 0) earliest(due, timeout_at(job));
      earliest(due, job.cpu_look_at);
      return due;
    case Ending:
      return job.terminated ? job.kill_at : std::optional<Nanos>(0);
    case Ended:
      return job.drop_at;
    default:
      return due;
  }
}

void JobTable::schedule(Job& job) {
  const auto due = due_of(job);
  if (due == job.due) return;
  const std::string& id = job.record.spec.id;
  if (job.due) due_.erase({*job.due, id});
  if (due) due_.insert({*due, id});
  job.due = due;
}

std::optional<Nanos> JobTable::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::vector<Order> JobTable::take_due(Nanos now) {
  std::vector<Order> orders;
  while (!due_.empty() && due_.begin()->first <= now) {
    Job& job = get(std::string(due_.begin()->second));
    act(job, now, orders);
  }
  return orders;
}

void JobTable::act(Job& job, Nanos now, std::vector<Order>& orders) {
  const std::string& id = job.record.spec.id;
  if (job.record.state == Ended) return drop(std::string(id), orders);
  if (job.record.state == Ending && !job.terminated) {
    job.terminated = true;
    job.kill_at = now + settings_.kill_grace;
    orders.push_back({Order::Kind::Terminate, id});
  } else if (job.record.state == Ending) {
    job.kill_at = now + kKillAgain;
    orders.push_back({Order::Kind::Kill, id});
  } else {
    return end_by_timer(job, now, orders);
  }
  schedule(job);
}

void JobTable::end_by_timer(Job& job, Nanos now, std::vector<Order>& orders) {
  const JobSpec& spec = job.record.spec;
  if (spec.deadline > 0 && now >= spec.deadline) return request(job, EndReason::Deadline, now);
  if (spec.timeout > 0 && job.record.first_ran > 0 && now >= timeout_at(job))
    return request(job, EndReason::Timeout, now);
  job.cpu_look_at.reset();  // until cpu_used() answers
  orders.push_back({Order::Kind::LookAtCpu, spec.id});
  schedule(job);
}

void JobTable::drop(const std::string& id, std::vector<Order>& orders) {
  Job& job = get(id);
  due_.erase({*job.due, id});
  kept_bytes_ -= kept_bytes_of(job.record);
  jobs_.erase(id);
  while (!ended_.empty() && !jobs_.contains(ended_.front())) ended_.pop_front();
  tombstones_.insert(id);
  tombstone_order_.push_back(id);
  if (tombstone_order_.size() > kTombstones) {
    tombstones_.erase(tombstone_order_.front());
    tombstone_order_.pop_front();
  }
  orders.push_back({Order::Kind::Drop, id});
}

}  // namespace tariff::launcher
