// SPDX-License-Identifier: Apache-2.0
#include "agent/event_log.h"

#include <algorithm>
#include <utility>

namespace tariff::agent {
namespace {

bool is_for(const std::string& wanted, const std::string& job) {
  return wanted.empty() || wanted == job;
}

}  // namespace

EventLog::Reader::Reader(EventLog& log, std::string job, std::function<void()> wake)
    : log_(log), job_(std::move(job)), wake_(std::move(wake)) {
  log_.readers_.push_back(this);
}

EventLog::Reader::~Reader() {
  std::erase(log_.readers_, this);
  if (!log_.readers_.empty()) return;
  log_.first_ += log_.events_.size();
  log_.events_.clear();
}

std::optional<EventLog::Next> EventLog::Reader::next() {
  if (pending_ == 0) return std::nullopt;
  const auto& events = log_.events_;
  Next next;
  if (position_ < log_.first_) {
    const auto left = static_cast<std::uint64_t>(std::count_if(
        events.begin(), events.end(), [this](const Event& e) { return is_for(job_, e.job); }));
    next.missed = pending_ - left;
    pending_ = left;
    position_ = log_.first_;
    if (pending_ == 0) return next;
  }
  while (!is_for(job_, events[position_ - log_.first_].job)) ++position_;
  next.body = events[position_ - log_.first_].body;
  ++position_;
  --pending_;
  return next;
}

bool EventLog::is_read(const std::string& job) const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [&](const Reader* reader) { return is_for(reader->job_, job); });
}

void EventLog::add(const std::string& job, std::string body) {
  if (readers_.empty()) return;
  const std::uint64_t number = first_ + events_.size();
  events_.push_back({job, std::move(body)});
  if (events_.size() > most_) {
    events_.pop_front();
    ++first_;
  }
  for (Reader* reader : readers_) {
    if (!is_for(reader->job_, job)) continue;
    if (reader->pending_++ == 0) reader->position_ = number;
    reader->wake_();
  }
}

}  // namespace tariff::agent
