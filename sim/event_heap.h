// SPDX-License-Identifier: Apache-2.0
// A binary heap of (time, job), earliest first, from whose middle a job can be taken when it is
// preempted: each job knows its place. Ties: the job that came first. O(log n).
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

  [[nodiscard]] bool empty() const { return events_.empty(); }
  [[nodiscard]] std::size_t size() const { return events_.size(); }
  [[nodiscard]] const Event& first() const { return events_.front(); }
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] Nanos time_of(const Job& job) const { return events_[job.place].at; }

  void add(Jobs& jobs, Nanos at, JobIndex job) {
    events_.push_back({at, job});
    rise(jobs, events_.size() - 1);
  }
  void remove(Jobs& jobs, JobIndex job) {
    const std::size_t at = jobs[job].place;
    const Event last = events_.back();
    events_.pop_back();
    if (at == events_.size()) return;
    events_[at] = last;
    if (at > 0 && earlier(jobs, last, events_[(at - 1) / 2])) rise(jobs, at);
    else sink(jobs, at);
  }

 private:
  static bool earlier(const Jobs& jobs, const Event& one, const Event& other) {
    return one.at < other.at || (one.at == other.at && jobs[one.job].id < jobs[other.job].id);
  }
  void put(Jobs& jobs, std::size_t at, const Event& event) {
    events_[at] = event;
    jobs[event.job].place = static_cast<std::uint32_t>(at);
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
};

}  // namespace tariff::sim
