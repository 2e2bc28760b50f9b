// SPDX-License-Identifier: Apache-2.0
#include "agent/jobs.h"

#include <time.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tariff::agent {
namespace {

bool is_live(const launcher::Record& record) {
  return record.state() != launcher::STATE_ENDED && record.state() != launcher::STATE_EXPIRED;
}

JobTimes times_of(const launcher::Record& record) {
  return {record.accepted_ns(), record.launched_ns(),     record.first_ran_ns(),
          record.initialised_ns(), record.main_exited_ns(), record.ended_ns(),
          record.cpu_us(),      record.cpu_pressure_us(), record.frozen_ns()};
}

}  // namespace

double gb_seconds_of(const launcher::Record& record) {
  constexpr double kPerGigabyteSecond = 1e15;  // in byte-microseconds
  return (static_cast<double>(record.memory_byte_us_high()) * 0x1p64 +
          static_cast<double>(record.memory_byte_us_low())) /
         kPerGigabyteSecond;
}

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

Cost cost_of(const launcher::Record& record) {
  const ByteMicroseconds memory =
      (ByteMicroseconds{record.memory_byte_us_high()} << 64) | record.memory_byte_us_low();
  return cpu_cost(Price{record.price_millionths()}, std::chrono::microseconds(record.cpu_us())) +
         memory_cost(Price{record.memory_price_millionths()}, memory);
}

Jobs::Jobs(asio::io_context& io) : io_(io), started_ns_(monotonic_ns()) {}

void Jobs::apply(const launcher::Record& record) {
  auto found = entries_.find(record.id());
  if (record.state() == launcher::STATE_EXPIRED) {
    if (found != entries_.end()) {
      found->second.record.set_state(launcher::STATE_EXPIRED);
      wake(found->second);
      by_order_.erase(found->second.order);
      entries_.erase(found);
    }
    return;
  }
  const bool was_live = found != entries_.end() && is_live(found->second.record);
  const bool known = found != entries_.end();
  if (known && !was_live && is_live(record)) return;  // overtaken by its own end
  // The launcher died after it had told the end: the next one found only what was left of the job.
  // The end seen first stays; whether its result is lost is end_replay()'s to say.
  if (known && !was_live && record.reason() == launcher::REASON_LAUNCHER_LOST &&
      found->second.record.reason() != launcher::REASON_LAUNCHER_LOST)
    return;
  if (!known) {
    found = entries_.emplace(record.id(), Entry{}).first;
    found->second.order = next_order_++;
    by_order_.emplace(found->second.order, record.id());
  }
  Entry& entry = found->second;
  entry.record = record;
  entry.seen = true;
  if (is_live(record) && !was_live) ++live_;
  if (!is_live(record)) {
    frozen_.erase(record.leaf());
    if (was_live) --live_;
    if (was_live || (!known && record.ended_ns() >= started_ns_)) count_end(record);
    wake(entry);
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i)
    if (auto listener = listeners_[i].lock()) (*listener)(record);
}

void Jobs::set_frozen(const std::string& id, const std::string& leaf, bool frozen) {
  const auto* record = find(id);
  if (!id.empty() && (record == nullptr || !is_live(*record))) return;  // ended meanwhile
  if (frozen) frozen_.insert(leaf);
  else frozen_.erase(leaf);
  if (record == nullptr) return;
  for (std::size_t i = 0; i < listeners_.size(); ++i)
    if (auto listener = listeners_[i].lock()) (*listener)(*record);
}

void Jobs::begin_replay() {
  for (auto& [id, entry] : entries_) entry.seen = false;
}

void Jobs::end_replay(std::int64_t now_ns) {
  std::vector<launcher::Record> lost;
  std::vector<std::string> gone;
  for (const auto& [id, entry] : entries_) {
    if (entry.seen) continue;
    if (!is_live(entry.record)) {
      gone.push_back(id);
      continue;
    }
    lost.push_back(entry.record);
    lost.back().set_state(launcher::STATE_ENDED);
    lost.back().set_reason(launcher::REASON_LAUNCHER_LOST);
    lost.back().set_ended_ns(now_ns);
    lost.back().set_message("the launcher died while the job was under way; its end is not known");
  }
  for (const auto& record : lost) apply(record);
  for (const auto& id : gone) {
    // Ended, and the launcher that held the result is gone: what is left is the record itself.
    auto& entry = entries_.at(id);
    if (entry.record.result_bytes() == 0) continue;
    entry.record.set_result_bytes(0);
    entry.record.set_message("the launcher died before the result was fetched");
    if (entry.record.reason() == launcher::REASON_EXITED)
      entry.record.set_reason(launcher::REASON_LAUNCHER_LOST);
  }
}

void Jobs::count_end(const launcher::Record& record) {
  auto& totals = totals_[record.class_run()];
  const bool is_ok = record.reason() == launcher::REASON_EXITED && record.exit_status() == 0;
  ++totals.done;
  if (!is_ok) ++totals.failed;
  totals.gb_seconds += gb_seconds_of(record);
  totals.figures.add(times_of(record), static_cast<std::size_t>(record.reason()), is_ok);
  totals.cost += cost_of(record);
  totals.latency.add(std::chrono::microseconds((record.ended_ns() - record.accepted_ns()) / 1000));
  if (record.first_ran_ns() != 0)
    totals.first_wait.add(
        std::chrono::microseconds((record.first_ran_ns() - record.launched_ns()) / 1000));
}

void Jobs::wake(Entry& entry) {
  for (auto& waiter : entry.waiters)
    if (auto wait = waiter.lock()) wait->timer.cancel();
  entry.waiters.clear();
}

const launcher::Record* Jobs::find(const std::string& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.record;
}

void Jobs::newest_first(
    std::uint64_t before,
    const std::function<bool(std::uint64_t, const launcher::Record&)>& visit) const {
  auto position = before == 0 ? by_order_.end() : by_order_.lower_bound(before);
  while (position != by_order_.begin()) {
    --position;
    if (!visit(position->first, entries_.at(position->second).record)) return;
  }
}

std::vector<const launcher::Record*> Jobs::live_records() const {
  std::vector<const launcher::Record*> records;
  records.reserve(live_);
  for (const auto& [id, entry] : entries_)
    if (is_live(entry.record)) records.push_back(&entry.record);
  return records;
}

const ClassTotals& Jobs::totals(const std::string& price_class) { return totals_[price_class]; }

asio::awaitable<void> Jobs::wait_ended(
    std::string id, std::optional<std::chrono::steady_clock::time_point> deadline,
    std::shared_ptr<Wait> wait) {
  using Clock = std::chrono::steady_clock;
  while (!wait->given_up) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || !is_live(found->second.record)) co_return;
    if (deadline && Clock::now() >= *deadline) co_return;
    auto& waiters = found->second.waiters;
    std::erase_if(waiters, [](const auto& waiter) { return waiter.expired(); });
    waiters.push_back(wait);
    wait->timer.expires_at(deadline.value_or(Clock::time_point::max()));
    co_await wait->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

Jobs::Subscription Jobs::subscribe(Listener listener) {
  std::erase_if(listeners_, [](const auto& entry) { return entry.expired(); });
  auto subscription = std::make_shared<Listener>(std::move(listener));
  listeners_.push_back(subscription);
  return subscription;
}

}  // namespace tariff::agent
