// SPDX-License-Identifier: Apache-2.0
#include "scheduler/multi_queue.h"

#include <algorithm>

#include "base/check.h"

namespace tariff::scheduler {
namespace {

bool has_bit(std::uint32_t bits, std::size_t index) { return (bits >> index & 1U) != 0; }

}  // namespace

MultiQueue::MultiQueue(std::vector<ClassTerms> classes, QueueRule rule)
    : classes_(std::move(classes)), rule_(rule), queues_(classes_.size()) {
  TARIFF_CHECK(!classes_.empty() && classes_.size() <= kMostClasses, "1 to 16 classes");
  for (const auto& terms : classes_) {
    TARIFF_CHECK(terms.price > 0, "a class has a price");
    any_max_wait_ = any_max_wait_ || terms.max_wait.has_value();
  }
}

void MultiQueue::push(JobId job, int rank, Time now) {
  queues_[index_of(rank)].push_back({job, rank, now});
  ++size_;
}

/// The larger, the sooner.
double MultiQueue::score(const Waiting& waiting, Time now) const {
  const auto waited = static_cast<double>((now - waiting.since).count());
  const double price = classes_[index_of(waiting.rank)].price;
  switch (rule_) {
    case QueueRule::Product: return price * waited;
    case QueueRule::Ratio: return -waited / price;
    case QueueRule::Strict: break;
  }
  return 0;  // equal for all: the tie goes to the higher class
}

std::optional<std::size_t> MultiQueue::longest_overdue(Time now, std::uint32_t allowed) const {
  std::optional<std::size_t> found;
  Duration most{0};
  for (std::size_t i = queues_.size(); i-- > 0;) {
    const auto& terms = classes_[i];
    if (queues_[i].empty() || !has_bit(allowed, i)) continue;
    if (!terms.max_wait || terms.overdue != Overdue::Place) continue;
    const auto late = now - queues_[i].front().since - *terms.max_wait;
    if (late < Duration::zero() || (found && late <= most)) continue;
    found = i;
    most = late;
  }
  return found;
}

Waiting MultiQueue::take_head(std::size_t queue) {
  const auto taken = queues_[queue].front();
  queues_[queue].pop_front();
  --size_;
  return taken;
}

std::optional<Waiting> MultiQueue::pop(Time now, std::uint32_t allowed) {
  if (size_ == 0) return std::nullopt;
  if (any_max_wait_)
    if (const auto late = longest_overdue(now, allowed)) return take_head(*late);
  std::optional<std::size_t> best;
  double best_score = 0;
  for (std::size_t i = queues_.size(); i-- > 0;) {
    if (queues_[i].empty() || !has_bit(allowed, i)) continue;
    const double its = score(queues_[i].front(), now);
    if (best && its <= best_score) continue;
    best = i;
    best_score = its;
  }
  if (!best) return std::nullopt;
  return take_head(*best);
}

void MultiQueue::insert_by_time(const Waiting& waiting) {
  auto& queue = queues_[index_of(waiting.rank)];
  const auto later = [&](const Waiting& other) { return waiting.since < other.since; };
  queue.insert(std::find_if(queue.begin(), queue.end(), later), waiting);
  ++size_;
}

void MultiQueue::put_back(const Waiting& waiting) {
  queues_[index_of(waiting.rank)].push_front(waiting);
  ++size_;
}

std::vector<Rejection> MultiQueue::reject_overdue(Time now) {
  std::vector<Rejection> out;
  if (!any_max_wait_) return out;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    const auto& terms = classes_[i];
    if (!terms.max_wait || terms.overdue != Overdue::Reject) continue;
    while (!queues_[i].empty() && now - queues_[i].front().since >= *terms.max_wait) {
      const auto waiting = take_head(i);
      out.push_back({waiting, now - waiting.since, *terms.max_wait});
    }
  }
  return out;
}

std::optional<Time> MultiQueue::next_overdue() const {
  std::optional<Time> next;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].empty() || !classes_[i].max_wait) continue;
    const auto due = queues_[i].front().since + *classes_[i].max_wait;
    next = std::min(next.value_or(due), due);
  }
  return next;
}

bool MultiQueue::raise(JobId job, int rank) {
  for (std::size_t i = 0; i < index_of(rank); ++i) {
    auto& queue = queues_[i];
    const auto found = std::find_if(queue.begin(), queue.end(),
                                    [&](const Waiting& waiting) { return waiting.job == job; });
    if (found == queue.end()) continue;
    Waiting moved = *found;
    queue.erase(found);
    --size_;
    moved.rank = rank;
    insert_by_time(moved);
    return true;
  }
  return false;
}

bool MultiQueue::remove(JobId job) {
  for (auto& queue : queues_) {
    const auto gone =
        std::erase_if(queue, [&](const Waiting& waiting) { return waiting.job == job; });
    size_ -= gone;
    if (gone > 0) return true;
  }
  return false;
}

}  // namespace tariff::scheduler
