// SPDX-License-Identifier: Apache-2.0
#include "scheduler/budget.h"

#include "base/random.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::scheduler;
using namespace std::chrono_literals;

namespace {

constexpr int kClasses = 5;
constexpr Time kDay = 24h;
const Month kMonth{0h, 30 * kDay};

Budget budget(std::int64_t monthly) {
  BudgetSettings settings;
  settings.monthly = {monthly};
  Budget out(settings, kClasses);
  out.begin_month(kMonth);
  return out;
}

using Kind = BudgetVerdict::Kind;

}  // namespace

TEST_CASE("the pace is the elapsed share of the month times the burst factor") {
  const auto it = budget(30'000);
  CHECK(it.pace(0h).millionths == 2'000);  // the first day counts as elapsed
  CHECK(it.pace(3 * kDay).millionths == 6'000);
  CHECK(it.pace(15 * kDay).millionths == 30'000);
  CHECK(it.pace(29 * kDay).millionths == 30'000);
}

TEST_CASE("within the pace everything runs in its class") {
  auto it = budget(30'000);
  it.charge({6'000});
  for (int rank = 1; rank <= kClasses; ++rank) {
    CHECK(it.verdict(rank, 3 * kDay).kind == Kind::Run);
    CHECK(it.verdict(rank, 3 * kDay).rank == rank);
  }
}

TEST_CASE("beyond the pace it gets worse in steps, the top class last") {
  int last_step = 0;
  std::vector<Kind> before(kClasses + 1, Kind::Run);
  for (std::int64_t spent = 10'000; spent <= 15'000; spent += 50) {
    auto it = budget(150'000);  // 10'000 on the first day
    it.charge({spent});
    CHECK(it.step(0h) >= last_step);
    last_step = it.step(0h);
    Kind lower = Kind::Throttle;
    for (int rank = 1; rank <= kClasses; ++rank) {
      const auto kind = it.verdict(rank, 0h).kind;
      if (rank > 2) CHECK(kind <= lower);                 // nobody fares worse than one below
      CHECK(kind >= before[static_cast<std::size_t>(rank)]);  // nor better for having spent more
      before[static_cast<std::size_t>(rank)] = kind;
      lower = kind;
    }
  }
  CHECK(before[kClasses] == Kind::Throttle);
}

TEST_CASE("each kind comes where the header says") {
  const auto kind = [](std::int64_t spent, int rank) {
    auto it = budget(150'000);
    it.charge({spent});
    return it.verdict(rank, 0h).kind;
  };
  CHECK(kind(10'001, 2) == Kind::Demote);
  CHECK(kind(10'001, 3) == Kind::Run);
  CHECK(kind(10'001, 1) == Kind::Run);       // there is nothing below it
  CHECK(kind(12'001, 1) == Kind::Throttle);  // step 5
  CHECK(kind(12'001, 5) == Kind::Demote);
  CHECK(kind(14'001, 5) == Kind::Throttle);
}

TEST_CASE("a throttled tenant learns when to try again, and then it may") {
  auto it = budget(150'000);
  it.charge({14'999});
  const auto verdict = it.verdict(5, 0h);
  REQUIRE(verdict.kind == Kind::Throttle);
  REQUIRE(verdict.retry_at);
  const double days = static_cast<double>(verdict.retry_at->count()) /
                      static_cast<double>(kDay.count());
  CHECK(days == Approx(1.4999).epsilon(0.001));
  CHECK(it.verdict(5, *verdict.retry_at + 1min).kind == Kind::Run);
}

TEST_CASE("a month's end forgets") {
  auto it = budget(100);
  it.charge({1'000});
  CHECK(it.verdict(5, kDay).kind == Kind::Throttle);
  it.begin_month({30 * kDay, 61 * kDay});
  CHECK(it.spent().millionths == 0);
  CHECK(it.verdict(5, 30 * kDay).kind == Kind::Run);
}

TEST_CASE("an attack overshoots the budget by a step and what runs already, not more") {
  // Every second one job is asked for that costs up to 600 and reports every second what it used;
  // the month's budget would be gone within a day.
  Random random(static_cast<std::uint64_t>(GENERATE(range(1, 6))));
  const std::int64_t monthly = 3'000'000;
  auto it = budget(monthly);
  std::int64_t running = 0;
  std::int64_t most_running = 0;
  for (Time now = 0h; now < 30 * kDay; now += 60s) {
    const int rank = 1 + static_cast<int>(random.below(kClasses));
    if (it.verdict(rank, now).kind != Kind::Throttle) running += random.below(600);
    const auto used = std::min<std::int64_t>(running, random.below(900));
    it.charge({used});
    running -= used;
    most_running = std::max(most_running, running);
  }
  it.charge({running});
  const double overshoot = static_cast<double>(it.spent().millionths - monthly);
  CHECK(overshoot <= 0.05 * static_cast<double>(monthly) + static_cast<double>(most_running) + 900);
}

TEST_CASE("a call chain ends by hops and by what it spent") {
  ChainLimits limits{3, Cost{1'000}};
  CHECK_FALSE(refuses_chain(2, {999}, limits));
  CHECK(refuses_chain(3, {0}, limits) == ChainRefusal::TooManyHops);
  CHECK(refuses_chain(0, {1'000}, limits) == ChainRefusal::SpentTooMuch);
}
