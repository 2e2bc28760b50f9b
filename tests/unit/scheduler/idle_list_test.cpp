// SPDX-License-Identifier: Apache-2.0
#include "scheduler/idle_list.h"

#include <algorithm>
#include <map>

#include "base/random.h"
#include "scheduler/idle_offer.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::scheduler;
using namespace std::chrono_literals;

namespace {

constexpr Bytes kGB = 1'000'000'000;

MachineReport report(MachineId machine, Bytes free, std::uint32_t jobs, std::uint64_t epoch = 1) {
  MachineReport out;
  out.machine = machine;
  out.total = 32 * kGB;
  out.free = free;
  out.jobs.add(1, jobs);
  out.epoch = epoch;
  return out;
}

}  // namespace

TEST_CASE("the smallest queue is taken, the most free memory among equals") {
  IdleList list{IdleSettings{}};
  list.offer(report(1, 20 * kGB, 2), 0s);
  list.offer(report(2, 10 * kGB, 1), 0s);
  list.offer(report(3, 30 * kGB, 1), 0s);
  CHECK(list.take(1, 0, 0s) == 3U);
  CHECK(list.take(1, 0, 0s) == 2U);
}

TEST_CASE("the author's order takes the most free memory") {
  IdleSettings settings;
  settings.order = IdleOrder::MostFree;
  IdleList list(settings);
  list.offer(report(1, 20 * kGB, 7), 0s);
  list.offer(report(2, 10 * kGB, 0), 0s);
  CHECK(list.take(1, 0, 0s) == 1U);
}

TEST_CASE("an entry is adjusted by each use, so that placements do not herd") {
  IdleList list{IdleSettings{}};
  for (MachineId machine = 0; machine < 4; ++machine) list.offer(report(machine, kGB * 9, 0), 0s);
  std::map<MachineId, int> placed;
  for (int i = 0; i < 8; ++i) ++placed[*list.take(3, kGB, 0s)];
  for (const auto& [machine, jobs] : placed) CHECK(jobs == 2);
  CHECK(list.find(0)->jobs.of(3) == 2);
  CHECK(list.find(0)->free == 7 * kGB);
}

TEST_CASE("an entry that is used up is dropped") {
  IdleSettings settings;
  SECTION("by memory") {
    IdleList list(settings);
    list.offer(report(1, 2 * kGB, 0), 0s);
    CHECK(list.take(1, kGB, 0s));
    CHECK(list.take(1, kGB, 0s));
    CHECK_FALSE(list.take(1, kGB, 0s));
  }
  SECTION("by jobs") {
    settings.drop_at_jobs = 8;
    IdleList list(settings);
    list.offer(report(1, 30 * kGB, 6), 0s);
    CHECK(list.take(1, 0, 0s));
    CHECK(list.take(1, 0, 0s));
    CHECK_FALSE(list.take(1, 0, 0s));
  }
}

TEST_CASE("entries expire unless they are told again") {
  IdleSettings settings;
  settings.lifetime = 10s;
  IdleList list(settings);
  list.offer(report(1, kGB, 0), 0s);
  list.offer(report(2, kGB, 0), 0s);
  list.offer(report(2, kGB, 0, 2), 5s);
  CHECK(list.size(9s) == 2);
  CHECK(list.size(10s) == 1);
  CHECK(list.take(1, 0, 14s) == 2U);
  CHECK_FALSE(list.take(1, 0, 15s));
}

TEST_CASE("an old report never wins over a newer word") {
  IdleList list{IdleSettings{}};
  CHECK(list.offer(report(1, kGB, 0, 5), 0s));
  CHECK_FALSE(list.offer(report(1, 9 * kGB, 0, 4), 0s));
  list.withdraw(1, 4);
  CHECK(list.size(0s) == 1);
  list.withdraw(1, 6);
  CHECK(list.size(0s) == 0);
  CHECK_FALSE(list.offer(report(1, kGB, 0, 5), 0s));
  list.forget(1);
  CHECK(list.offer(report(1, kGB, 0, 1), 0s));
}

TEST_CASE("the list gives what a list searched from end to end would give") {
  Random random(static_cast<std::uint64_t>(GENERATE(range(1, 20))));
  IdleSettings settings;
  settings.order = random.below(2) == 0 ? IdleOrder::SmallestQueue : IdleOrder::MostFree;
  settings.drop_at_jobs = 8;
  settings.lifetime = 400ns;
  IdleList list(settings);
  std::map<MachineId, std::pair<MachineReport, Time>> model;
  for (int step = 1; step < 2'000; ++step) {
    const Time now{step};
    const auto machine = random.below(40);
    std::erase_if(model, [&](auto& row) { return now - row.second.second >= 400ns; });
    if (random.below(3) == 0) {
      const auto told = report(machine, (1 + random.below(32)) * kGB, random.below(8),
                               static_cast<std::uint64_t>(step));
      list.offer(told, now);
      model[machine] = {told, now};
    } else if (random.below(20) == 0) {
      list.withdraw(machine, static_cast<std::uint64_t>(step));
      model.erase(machine);
    } else {
      const auto best = std::min_element(model.begin(), model.end(), [&](auto& a, auto& b) {
        const auto& one = a.second.first;
        const auto& other = b.second.first;
        const auto jobs = std::pair(one.jobs.total(), other.jobs.total());
        if (settings.order == IdleOrder::SmallestQueue && jobs.first != jobs.second)
          return jobs.first < jobs.second;
        if (one.free != other.free) return one.free > other.free;
        if (jobs.first != jobs.second) return jobs.first < jobs.second;
        return one.machine < other.machine;
      });
      const auto taken = list.take(1, 3 * kGB, now);
      REQUIRE(taken.has_value() == (best != model.end()));
      if (!taken) continue;
      REQUIRE(*taken == best->first);
      auto& entry = best->second.first;
      entry.jobs.add(1);
      entry.free -= std::min(entry.free, 3 * kGB);
      if (entry.free == 0 || entry.jobs.total() >= 8) model.erase(best);
    }
    REQUIRE(list.size(now) == model.size());
  }
}

TEST_CASE("a machine enters, tells news and leaves with hysteresis") {
  const OfferSettings settings;
  OfferState state;
  const auto word = [&](Bytes free, Time now = 0s) {
    const auto offer = what_to_offer(report(1, free, 1), state, now, settings);
    told(state, offer, report(1, free, 1), now);
    return offer;
  };
  CHECK(word(15 * kGB) == Offer::Nothing);           // 53 % used
  CHECK(word(17 * kGB) == Offer::Enter);             // 47 %
  CHECK(word(16 * kGB) == Offer::Nothing);           // no news
  CHECK(word(15 * kGB) == Offer::Update);            // 2 of 32 GB less than told
  CHECK(word(28 * kGB / 2) == Offer::Nothing);       // 56 %: between the two levels
  CHECK(word(12 * kGB) == Offer::Leave);
  CHECK(word(15 * kGB) == Offer::Nothing);
}

TEST_CASE("many jobs keep a machine off the list, and news is told again after a while") {
  OfferSettings settings;
  settings.most_jobs = 8;
  settings.refresh = 5s;
  OfferState state;
  CHECK(what_to_offer(report(1, 30 * kGB, 9), state, 0s, settings) == Offer::Nothing);
  CHECK(what_to_offer(report(1, 30 * kGB, 8), state, 0s, settings) == Offer::Enter);
  told(state, Offer::Enter, report(1, 30 * kGB, 8), 0s);
  CHECK(what_to_offer(report(1, 30 * kGB, 8), state, 4s, settings) == Offer::Nothing);
  CHECK(what_to_offer(report(1, 30 * kGB, 8), state, 5s, settings) == Offer::Update);
  CHECK(what_to_offer(report(1, 30 * kGB, 9), state, 5s, settings) == Offer::Leave);
}
