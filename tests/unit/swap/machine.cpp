// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <algorithm>

namespace tariff::swap::test {
namespace {

constexpr double kTicksPerSecond = 50;

Bytes per_tick(Bytes per_second) {
  return static_cast<Bytes>(static_cast<double>(per_second) / kTicksPerSecond);
}

Bytes scaled(Bytes bytes, double by) {
  return static_cast<Bytes>(static_cast<double>(bytes) * by);
}

}  // namespace

void Machine::add(const JobSpec& job) { to_come_.push_back(job); }

Machine::Job* Machine::job(const std::string& id) {
  for (auto& one : jobs_)
    if (one.view.id == id) return &one;
  return nullptr;
}

const JobView* Machine::find(const std::string& id) const {
  for (const auto& one : jobs_)
    if (one.view.id == id) return &one.view;
  return nullptr;
}

bool Machine::all_ended() const { return to_come_.empty() && jobs_.empty(); }

Bytes Machine::free() const {
  Bytes used = spec_.host;
  for (const auto& one : jobs_)
    used += one.view.resident + scaled(one.view.out, 1 - spec_.gain);
  return spec_.ram > used ? spec_.ram - used : 0;
}

Bytes Machine::swap_left() const {
  Bytes used = 0;
  for (const auto& one : jobs_) used += one.view.out;
  return spec_.swap > used ? spec_.swap - used : 0;
}

void Machine::arrive() {
  for (std::size_t i = 0; i < to_come_.size();) {
    if (to_come_[i].arrives > now_) {
      ++i;
      continue;
    }
    Job one;
    one.spec = to_come_[i];
    one.view.id = "j" + std::to_string(arrivals_);
    one.view.arrival = arrivals_++;
    one.view.rank = one.spec.rank;
    one.view.since = now_;
    jobs_.push_back(one);
    to_come_.erase(to_come_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::vector<Machine::Job*> Machine::in_line() {
  std::vector<Job*> line;
  for (auto& one : jobs_)
    if (is_in(one.view)) line.push_back(&one);
  std::sort(line.begin(), line.end(),
            [](Job* one, Job* other) { return runs_before(one->view, other->view); });
  return line;
}

void Machine::compute() {
  for (auto& one : jobs_) one.grown = 0;
  const auto line = in_line();
  for (std::size_t i = 0; i < line.size() && i < static_cast<std::size_t>(spec_.cpus); ++i)
    compute(*line[i]);
  for (auto& one : jobs_)
    one.view.growth = scaled(one.view.growth, 0.9) + scaled(one.grown, kTicksPerSecond * 0.1);
}

/// One tick of CPU: it faults its hot part in, grows, and works the faster the less it faults.
void Machine::compute(Job& job) {
  auto& view = job.view;
  cpu_[view.rank] += kTick;
  const Bytes had = view.resident + view.out;
  const Bytes hot = scaled(had, job.spec.hot);
  const Bytes lacking = hot > view.resident ? std::min(hot - view.resident, view.out) : 0;
  if (lacking > 0) touch(job, std::min(lacking, per_tick(spec_.speed)), true);
  if (had < job.spec.size)
    touch(job, std::min(job.spec.size - had, per_tick(job.spec.growth)), false);
  if (view.resident < job.spec.pinned) view.pinned = view.resident;
  else view.pinned = job.spec.pinned;
  job.done += lacking > 0 ? kTick / 4 : kTick;
}

/// It wants so much memory; what is not free the kernel takes from somebody, and it waits.
void Machine::touch(Job& job, Bytes wanted, bool fault) {
  auto& view = job.view;
  const Bytes room = free();
  if (room < wanted) {
    waited[view.rank] += kTick / 2;
    ++stalls_;
    trigger_ = true;
    reclaim_by_kernel(wanted - room);
  }
  const Bytes got = std::min(wanted, free());
  view.resident += got;
  if (fault) {
    view.out -= std::min(got, view.out);
    faulted[view.rank] += got;
    job.faulted += got;
    waited[view.rank] += kTick / 4;
    if (pages_come_back(job.paged, job.faulted)) view.pages_come_back = true;
  } else {
    job.grown += got;
  }
}

/// The kernel knows no classes: it takes from whoever has most.
void Machine::reclaim_by_kernel(Bytes bytes) {
  Job* largest = nullptr;
  for (auto& one : jobs_)
    if (movable(one.view) > 0 && (largest == nullptr || movable(one.view) > movable(largest->view)))
      largest = &one;
  if (largest == nullptr) return;
  bytes = std::min({bytes, movable(largest->view), swap_left(), per_tick(spec_.speed)});
  largest->view.resident -= bytes;
  largest->view.out += bytes;
}

void Machine::move() {
  Bytes budget = per_tick(spec_.speed);
  for (auto& one : jobs_) {
    const auto state = one.view.state;
    if (state == JobState::Freezing) {
      one.view.state = JobState::Reclaiming;
      one.view.since = now_;
    } else if (state == JobState::Reclaiming || state == JobState::Paging) {
      move_out(one, budget);
    } else if (state == JobState::ComingIn) {
      move_in(one, budget);
    }
  }
}

void Machine::move_out(Job& job, Bytes budget) {
  auto& view = job.view;
  const Bytes bytes = std::min({view.asked, budget, movable(view), swap_left()});
  view.resident -= bytes;
  view.out += bytes;
  view.asked -= bytes;
  released_ += scaled(bytes, spec_.gain);
  if (view.state == JobState::Paging) job.paged += bytes;
  if (view.asked > 0 && movable(view) > 0 && swap_left() > 0) return;
  view.asked = 0;
  if (view.state == JobState::Paging) {
    view.state = JobState::Running;
    view.paged_at = now_;
  } else {
    view.state = JobState::Out;
  }
  view.since = now_;
}

void Machine::move_in(Job& job, Bytes budget) {
  auto& view = job.view;
  const Bytes bytes = std::min({job.coming, budget, view.out, free()});
  view.resident += bytes;
  view.out -= bytes;
  job.coming -= bytes;
  if (job.coming > 0 && bytes > 0) return;
  view.state = JobState::Running;
  view.since = now_;
  view.returned_at = now_;
}

void Machine::sense() {
  memory_.total = spec_.ram;
  memory_.free = free();
  memory_.watermark = spec_.watermark;
  memory_.usable = memory_.free > spec_.watermark ? memory_.free - spec_.watermark : 0;
  growth_.sample({now_, memory_.usable, released_, 0});
  memory_.growth = growth_.now();
  level_.update(now_, headroom_bytes(spec_.ram, growth_.fastest(now_), spec_.headroom), memory_);
  for (const auto& one : jobs_) {
    const int rank = one.view.rank;
    auto& meter = pressure_.try_emplace(rank, PressureSettings{}).first->second;
    meter.sample({now_, waited[rank], Duration(0), faulted[rank], stalls_, cpu_[rank]});
  }
}

Snapshot Machine::snapshot() const {
  Snapshot out;
  out.now = now_;
  out.memory = memory_;
  out.swap = {spec_.swap > 0, swap_left(), spec_.gain, spec_.speed, spec_.speed};
  out.class_cpus = spec_.cpus;
  std::map<int, int> runnable;
  for (const auto& one : jobs_) {
    out.jobs.push_back(one.view);
    runnable[one.view.rank] += is_in(one.view) ? 1 : 0;
  }
  for (const auto& [rank, count] : runnable) {
    ClassView row;
    row.rank = rank;
    row.runnable = count;
    if (const auto mode = spec_.modes.find(rank); mode != spec_.modes.end())
      row.mode = mode->second;
    if (const auto room = spec_.swap_room.find(rank); room != spec_.swap_room.end())
      row.swap_room = room->second;
    if (const auto meter = pressure_.find(rank); meter != pressure_.end()) {
      row.suffers = meter->second.suffers();
      row.suffers_since = meter->second.suffers_since();
    }
    out.classes.push_back(row);
  }
  return out;
}

void Machine::leave(Job& job, const Action& action) {
  auto& view = job.view;
  view.asked = action.bytes;
  if (action.verb == Verb::Page) {
    ++pagings;
    job.paged = job.faulted = 0;
    view.state = JobState::Paging;
  } else {
    ++swap_outs;
    if (is_in(view)) {
      ++freezes;
      ++freezes_of[view.id];
    }
    if (is_in(view)) view.bounces = bounces_when_pushed_out(snapshot(), spec_.settings, view);
    view.state = is_in(view) ? JobState::Freezing : JobState::Reclaiming;
  }
  view.since = now_;
}

void Machine::act(const Action& action) {
  auto* target = job(action.job);
  if (target == nullptr) return;
  auto& view = target->view;
  last_action = now_;
  for (const auto& passed : action.passed_over) {
    auto* other = job(passed.job);
    if (passed.why != Obstacle::Overtaken || other == nullptr) continue;
    most_overtaken = std::max(most_overtaken, ++other->view.overtaken);
  }
  switch (action.verb) {
    case Verb::SwapOut:
    case Verb::Page: leave(*target, action); break;
    case Verb::StopLeaving:
      view.state = view.state == JobState::Freezing ? JobState::Running : JobState::Out;
      view.asked = 0;
      view.since = now_;
      break;
    case Verb::SwapIn:
      ++swap_ins;
      view.state = JobState::ComingIn;
      view.since = now_;
      view.overtaken = 0;
      target->coming = action.bytes;
      break;
    case Verb::Kill:
      kills.push_back(action);
      view.state = JobState::Ending;
      view.since = now_;
      break;
  }
}

void Machine::bury() {
  std::erase_if(jobs_, [this](const Job& one) {
    const bool dead = one.view.state == JobState::Ending && now_ - one.view.since > 2 * kTick;
    const bool done = is_in(one.view) && one.done >= one.spec.work;
    if (done) finished.push_back(one.view.id);
    return dead || done;
  });
}

void Machine::run(Duration duration, const Check& check) {
  const Time end = now_ + duration;
  while (now_ < end && !all_ended()) {
    now_ += kTick;
    arrive();
    compute();
    move();
    bury();
    if (now_ < next_look_ && !trigger_) continue;
    trigger_ = false;
    sense();
    const auto seen = snapshot();
    const auto decision = decide(seen, spec_.settings);
    if (check) check(seen, decision);
    for (const auto& action : decision.actions) act(action);
    next_look_ = now_ + decision.look_again;
  }
}

}  // namespace tariff::swap::test
