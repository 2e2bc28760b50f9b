// SPDX-License-Identifier: Apache-2.0
// A binary heap of (time, job), earliest first, from whose middle a job can be taken when it is
// preempted. Ties: the job that came first. O(log n).
//
// In a large heap each job knows its place. In a small one it is looked for: 128 events are 32
// cache lines in a row, while telling jobs their places would miss the cache with each step.
// Threading: plain value over the run's table of jobs.
#pragma once

#include <vector>

#include "sim/model.h"

namespace tariff::sim {

class EventHeap {
 public:
  struct Event {
    Nanos at = 0;
    JobIndex job = kNone;
  };

  static constexpr std::size_t kSmall = 128;

  /// Requires: empty. `most`: events that it will hold.
  void set_up(std::size_t most) { tracked_ = most > kSmall; }
  [[nodiscard]] bool empty() const { return events_.empty(); }
  [[nodiscard]] std::size_t size() const { return events_.size(); }
  [[nodiscard]] const Event& first() const { return events_.front(); }
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] Nanos time_of(const Jobs& jobs, JobIndex job) const {
    return events_[place_of(jobs, job)].at;
  }

  void add(Jobs& jobs, Nanos at, JobIndex job) {
    events_.push_back({at, job});
    rise(jobs, events_.size() - 1);
  }
  void remove(Jobs& jobs, JobIndex job) {
    const std::size_t at = place_of(jobs, job);
    const Event last = events_.back();
    events_.pop_back();
    if (at == events_.size()) return;
    events_[at] = last;
    if (at > 0 && earlier(jobs, last, events_[(at - 1) / 2])) rise(jobs, at);
    else sink(jobs, at);
  }

 private:
  [[nodiscard]] std::size_t place_of(const Jobs& jobs, JobIndex job) const {
    if (tracked_) return jobs[job].place;
    std::size_t at = 0;
    while (events_[at].job != job) ++at;
    return at;
  }
  static bool earlier(const Jobs& jobs, const Event& one, const Event& other) {
    return one.at < other.at || (one.at == other.at && jobs[one.job].id < jobs[other.job].id);
  }
  void put(Jobs& jobs, std::size_t at, const Event& event) {
    events_[at] = event;
    if (tracked_) jobs[event.job].place = static_cast<std::uint32_t>(at);
  }
  void rise(Jobs& jobs, std::size_t at) {
    const Event moving = events_[at];
    while (at > 0 && earlier(jobs, moving, events_[(at - 1) / 2])) {
      put(jobs, at, events_[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
    put(jobs, at, moving);
  }
  void sink(Jobs& jobs, std::size_t at) {
    const Event moving = events_[at];
    while (2 * at + 1 < events_.size()) {
      std::size_t child = 2 * at + 1;
      if (child + 1 < events_.size() && earlier(jobs, events_[child + 1], events_[child])) ++child;
      if (!earlier(jobs, events_[child], moving)) break;
      put(jobs, at, events_[child]);
      at = child;
    }
    put(jobs, at, moving);
  }

  std::vector<Event> events_;
  bool tracked_ = true;
};

}  // namespace tariff::sim
