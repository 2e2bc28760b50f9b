// SPDX-License-Identifier: Apache-2.0
#include "scheduler/multi_queue.h"

#include <map>

#include "base/random.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::scheduler;
using namespace std::chrono_literals;

namespace {

const std::vector<double> kPrices = {0.3, 0.7, 1.0, 1.5, 2.0};
constexpr int kBulk = 1;
constexpr int kStandard = 3;
constexpr int kCritical = 5;

std::vector<ClassTerms> classes() {
  std::vector<ClassTerms> out;
  for (const double price : kPrices) out.push_back({price, std::nullopt, Overdue::Place});
  return out;
}

/// A critical job arrives with each decision, a little before it: exactly as many as are placed.
/// After how many decisions is the bulk job that came first placed? 0: never.
int decisions_until_bulk(QueueRule rule) {
  MultiQueue queue(classes(), rule);
  queue.push(0, kBulk, 0s);
  for (int decision = 1; decision <= 10'000; ++decision) {
    const Time now = decision * 1ms;
    queue.push(static_cast<JobId>(decision), kCritical, now - 500us);
    if (queue.pop(now)->job == 0) return decision;
  }
  return 0;
}

}  // namespace

TEST_CASE("within a class the first to come is placed first") {
  MultiQueue queue(classes(), GENERATE(QueueRule::Product, QueueRule::Ratio, QueueRule::Strict));
  for (JobId job = 0; job < 5; ++job) queue.push(job, kStandard, Time(job));
  for (JobId job = 0; job < 5; ++job) CHECK(queue.pop(1s)->job == job);
  CHECK_FALSE(queue.pop(1s));
}

TEST_CASE("the largest price x time waited goes first, the higher class among equals") {
  MultiQueue queue(classes(), QueueRule::Product);
  queue.push(1, kBulk, 0s);       // 0.3 x 10 = 3
  queue.push(2, kStandard, 8s);   // 1.0 x 2 = 2
  queue.push(3, kCritical, 9s);   // 2.0 x 1 = 2
  CHECK(queue.pop(10s)->job == 1);
  CHECK(queue.pop(10s)->job == 3);
  CHECK(queue.pop(10s)->job == 2);
}

TEST_CASE("the ratio taken literally puts off whoever has waited") {
  MultiQueue queue(classes(), QueueRule::Ratio);
  queue.push(1, kBulk, 0s);       // 10 / 0.3
  queue.push(2, kStandard, 8s);   // 2 / 1
  queue.push(3, kCritical, 9s);   // 1 / 2
  CHECK(queue.pop(10s)->job == 3);
  CHECK(queue.pop(10s)->job == 2);
}

TEST_CASE("only the product places a bulk job while critical ones keep coming") {
  CHECK(decisions_until_bulk(QueueRule::Product) == 4);  // 0.3 x 4 ms > 2.0 x 0.5 ms
  CHECK(decisions_until_bulk(QueueRule::Ratio) == 0);
  CHECK(decisions_until_bulk(QueueRule::Strict) == 0);
}

TEST_CASE("product: nobody is passed by one who has waited less than the prices' share of it") {
  const auto seed = GENERATE(range(1, 30));
  Random random(static_cast<std::uint64_t>(seed));
  MultiQueue queue(classes(), QueueRule::Product);
  std::map<JobId, Waiting> waiting;
  Time now{0};
  for (JobId job = 0; job < 2'000; ++job) {
    now += Duration(random.below(1'000));
    const int rank = 1 + static_cast<int>(random.below(5));
    queue.push(job, rank, now);
    waiting[job] = {job, rank, now};
    if (random.below(10) < 4) continue;  // decisions are slower than arrivals
    const auto taken = queue.pop(now);
    REQUIRE(taken);
    waiting.erase(taken->job);
    const double its = kPrices[index_of(taken->rank)] *
                       static_cast<double>((now - taken->since).count());
    for (const auto& [id, other] : waiting) {
      const double theirs = kPrices[index_of(other.rank)] *
                            static_cast<double>((now - other.since).count());
      REQUIRE(theirs <= its + 1e-6);
    }
  }
  // And once arrivals cease everybody is placed.
  while (const auto taken = queue.pop(now)) waiting.erase(taken->job);
  CHECK(waiting.empty());
}

TEST_CASE("a class's maximum wait forces placement before any other") {
  auto terms = classes();
  terms[0].max_wait = 1s;
  MultiQueue queue(terms, QueueRule::Strict);
  queue.push(1, kBulk, 0s);
  queue.push(2, kCritical, 0s);
  CHECK(queue.next_overdue() == 1s);
  SECTION("not before it is over") { CHECK(queue.pop(999ms)->job == 2); }
  SECTION("then") { CHECK(queue.pop(1s)->job == 1); }
}

TEST_CASE("a class's maximum wait can mean a rejection that says how long it waited") {
  auto terms = classes();
  terms[0].max_wait = 1s;
  terms[0].overdue = Overdue::Reject;
  MultiQueue queue(terms, QueueRule::Product);
  queue.push(1, kBulk, 0s);
  queue.push(2, kBulk, 500ms);
  CHECK(queue.reject_overdue(999ms).empty());
  const auto rejected = queue.reject_overdue(1200ms);
  REQUIRE(rejected.size() == 1);
  CHECK(rejected[0].waiting.job == 1);
  CHECK(rejected[0].waited == 1200ms);
  CHECK(rejected[0].allowed == 1s);
  CHECK(queue.size() == 1);
}

TEST_CASE("a job that inherits a higher class takes its waiting time along") {
  MultiQueue queue(classes(), QueueRule::Strict);
  queue.push(1, kCritical, 1s);
  queue.push(2, kBulk, 2s);
  queue.push(3, kCritical, 3s);
  CHECK(queue.raise(2, kCritical));
  CHECK_FALSE(queue.raise(2, kCritical));
  CHECK_FALSE(queue.raise(9, kCritical));
  CHECK(queue.size(kBulk) == 0);
  for (const JobId job : {1U, 2U, 3U}) CHECK(queue.pop(4s)->job == job);
}

TEST_CASE("a refused job keeps its place, a cancelled one leaves") {
  MultiQueue queue(classes(), QueueRule::Product);
  queue.push(1, kBulk, 0s);
  queue.push(2, kBulk, 1s);
  const auto taken = queue.pop(2s);
  queue.put_back(*taken);
  CHECK(queue.remove(2));
  CHECK_FALSE(queue.remove(2));
  CHECK(*queue.pop(3s) == Waiting{1, kBulk, 0s});
  CHECK(queue.empty());
}
