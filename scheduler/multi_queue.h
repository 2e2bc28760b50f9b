// SPDX-License-Identifier: Apache-2.0
// The jobs that wait to be placed: one queue per class, first come first served, and the rule that
// says whose turn it is.
//
//   Product  largest price x time waited (default). It keeps the paper's intent: the high class
//            waits less, the low class is placed after a while. What it promises: while a job
//            waits, nobody goes before it who has waited less than its price / theirs of its own
//            wait. So it waits at most 6.7 times (2.0 / 0.3) as long as those who pass it. It
//            promises no bound in time: where higher classes alone arrive for ever faster than
//            decisions are made, every wait grows, in that proportion; max_wait is the bound then.
//   Ratio    smallest time waited / price: "the ratio of class to time in the queue" taken
//            literally, as the author's simulator does it. It ages backwards: who has waited long
//            is put off, and the newest of a high class goes first.
//   Strict   always the highest class (the paper's margin note asks why not).
//
// Equal scores: the higher class. Costs: O(classes) for a decision, O(1) for the rest but raise()
// and remove(), which look through one queue.
// Units: prices in any unit (only their ratio matters), nanoseconds. Threading: plain value.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "scheduler/model.h"

namespace tariff::scheduler {

enum class QueueRule { Product, Ratio, Strict };

/// What happens to a job that has waited as long as its class may.
enum class Overdue {
  Place,   ///< it goes before all others, the longest overdue first
  Reject,  ///< it is rejected, with the reason
};

struct ClassTerms {
  double price = 1;                  ///< above 0
  std::optional<Duration> max_wait;  ///< empty: it may wait for ever
  Overdue overdue = Overdue::Place;
};

struct Waiting {
  JobId job = 0;
  int rank = 0;
  Time since{0};

  bool operator==(const Waiting&) const = default;
};

/// "waited 3 s, and its class may wait 2": ResourceExhausted for the caller.
struct Rejection {
  Waiting waiting;
  Duration waited{0};
  Duration allowed{0};
};

class MultiQueue {
 public:
  /// `classes` by rank, lowest first; 1..kMostClasses of them.
  MultiQueue(std::vector<ClassTerms> classes, QueueRule rule);

  void push(JobId job, int rank, Time now);

  /// Takes the job whose turn it is among those of classes that `allowed` has a bit for (bit
  /// rank - 1). Call reject_overdue() first.
  std::optional<Waiting> pop(Time now, std::uint32_t allowed = kAllClasses);
  static constexpr std::uint32_t kAllClasses = 0xFFFF;

  /// Every machine refused it: back to the head of its queue, its wait goes on.
  void put_back(const Waiting& waiting);

  /// Those of classes with Overdue::Reject whose time is over; they are gone then.
  std::vector<Rejection> reject_overdue(Time now);

  /// When the next one becomes overdue; empty: never.
  [[nodiscard]] std::optional<Time> next_overdue() const;

  /// It inherits a higher class: it moves there, to the place that its waiting time gives it.
  /// False: it does not wait here, or has that class already.
  bool raise(JobId job, int rank);

  /// Cancelled. False: it does not wait here.
  bool remove(JobId job);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t size(int rank) const { return queues_[index_of(rank)].size(); }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  using Queue = std::deque<Waiting>;
  void insert_by_time(const Waiting& waiting);
  Waiting take_head(std::size_t queue);
  [[nodiscard]] std::optional<std::size_t> longest_overdue(Time now, std::uint32_t allowed) const;
  [[nodiscard]] double score(const Waiting& waiting, Time now) const;

  std::vector<ClassTerms> classes_;
  QueueRule rule_;
  std::vector<Queue> queues_;
  std::size_t size_ = 0;
  bool any_max_wait_ = false;
};

}  // namespace tariff::scheduler
