// SPDX-License-Identifier: Apache-2.0
#include "support/catch.h"
#include "swap/headroom.h"
#include "swap/pressure.h"

using namespace tariff::swap;
using namespace std::chrono_literals;

TEST_CASE("the headroom is 5 % of RAM, or 2 s of the fastest growth, or a quarter of RAM at most") {
  constexpr Bytes kRam = 2000 * kMiB;
  CHECK(headroom_bytes(kRam, 0, {}) == 100 * kMiB);
  CHECK(headroom_bytes(kRam, 40 * kMiB, {}) == 100 * kMiB);
  CHECK(headroom_bytes(kRam, 100 * kMiB, {}) == 200 * kMiB);
  CHECK(headroom_bytes(kRam, 5000 * kMiB, {}) == 500 * kMiB);
  HeadroomSettings fixed;
  fixed.fixed = 7 * kMiB;
  CHECK(headroom_bytes(kRam, 5000 * kMiB, fixed) == 7 * kMiB);
}

TEST_CASE("what is usable is what is available less raised watermarks and what zram will take") {
  Watermarks marks;
  CHECK(usable_bytes(500, marks, 0, 1) == 500);
  marks.boost = 100;
  CHECK(usable_bytes(500, marks, 0, 1) == 400);
  CHECK(usable_bytes(500, marks, 200, 1) == 400);
  CHECK(usable_bytes(500, marks, 200, 0.75) == 350);
  CHECK(usable_bytes(50, marks, 0, 1) == 0);
}

TEST_CASE("zram sets free what it compresses away") {
  CHECK(gain_of({}) == 0.5);
  CHECK(gain_of({{4096, 100, 8192, 0}}) == 0.5);  // its own pages count more than what is in it
  CHECK(gain_of({{100 * kMiB, 20 * kMiB, 25 * kMiB, 0}}) == 0.75);
  CHECK(gain_of({{100 * kMiB, 20 * kMiB, 25 * kMiB, 0}, {100 * kMiB, 70 * kMiB, 75 * kMiB, 0}}) ==
        0.5);
  CHECK(gain_of({{100 * kMiB, 101 * kMiB, 103 * kMiB, 0}}) == 0);
}

TEST_CASE("growth is what was taken, whether or not we released as much meanwhile") {
  GrowthMeter growth;
  growth.sample({0s, 1000 * kMiB, 0, 0});
  CHECK(growth.now() == 0);
  growth.sample({1s, 900 * kMiB, 0, 0});
  CHECK(growth.now() == 100 * kMiB);
  SECTION("what we set free hides nothing") {
    growth.sample({1500ms, 950 * kMiB, 150 * kMiB, 0});
    CHECK(growth.now() == 200 * kMiB);
  }
  SECTION("what zram took is no growth") {
    growth.sample({2s, 850 * kMiB, 0, 40 * kMiB});
    CHECK(growth.now() == 10 * kMiB);
  }
  SECTION("memory that comes back is none") {
    growth.sample({2s, 990 * kMiB, 0, 0});
    CHECK(growth.now() == 0);
    CHECK(growth.fastest(2s) > 99 * kMiB);
  }
  SECTION("looks that are too close together are taken together") {
    growth.sample({1s + 10ms, 850 * kMiB, 0, 0});
    CHECK(growth.now() == 100 * kMiB);
    growth.sample({1s + 500ms, 850 * kMiB, 0, 0});
    CHECK(growth.now() == 100 * kMiB);
  }
  SECTION("the fastest is forgotten by half every ten minutes") {
    CHECK(growth.fastest(1s) == 100 * kMiB);
    CHECK(growth.fastest(1s + 10min) == 50 * kMiB);
    growth.sample({1s + 20min, 870 * kMiB, 0, 0});
    CHECK(growth.fastest(1s + 20min) == 25 * kMiB);
  }
  SECTION("a counter that starts anew is no growth") {
    growth.sample({2s, 100 * kMiB, 50 * kMiB, 0});
    growth.sample({3s, 90 * kMiB, 0, 0});
    CHECK(growth.now() == 0);
  }
}

TEST_CASE("memory is low below the headroom until a quarter above it, whatever flickers between") {
  HeadroomLevel level({});
  MemoryView memory;
  const auto low_at = [&](Bytes usable) {
    memory.usable = usable;
    level.update(1s, 100, memory);
    return memory.low;
  };
  CHECK_FALSE(low_at(500));
  CHECK(memory.headroom == 100);
  CHECK(memory.leave == 125);
  CHECK_FALSE(low_at(110));
  CHECK_FALSE(low_at(100));
  CHECK(low_at(99));
  for (int flicker = 0; flicker < 10; ++flicker) {
    CHECK(low_at(124));
    CHECK(low_at(99));
  }
  CHECK_FALSE(low_at(125));
  CHECK_FALSE(low_at(101));
}

TEST_CASE("memory is critical since it fell below a quarter of the headroom") {
  HeadroomLevel level({});
  MemoryView memory;
  memory.usable = 24;
  level.update(1s, 100, memory);
  CHECK(memory.critical_since == 1s);
  level.update(5s, 100, memory);
  CHECK(memory.critical_since == 1s);
  memory.usable = 25;
  level.update(6s, 100, memory);
  CHECK_FALSE(memory.critical_since);
  memory.usable = 10;
  level.update(7s, 100, memory);
  CHECK(memory.critical_since == 7s);
}

namespace {

/// Half a second later, so many milliseconds waited, with pages faulted in.
PressureSample later(const PressureSample& before, int waited_ms) {
  auto out = before;
  out.now += 500ms;
  out.waited += std::chrono::milliseconds(waited_ms);
  out.faulted_in += 10;
  return out;
}

}  // namespace

TEST_CASE("a class suffers from 2 % of the time on, until it was below 0.5 % for a second") {
  PressureMeter meter({});
  PressureSample seen{100s, 77s, 0s, 1000, 1000, 10s};
  meter.sample(seen);
  CHECK_FALSE(meter.suffers());  // what was before us is not counted
  meter.sample(seen = later(seen, 9));
  CHECK(meter.share() == Approx(0.018));
  CHECK_FALSE(meter.suffers());
  meter.sample(seen = later(seen, 10));
  CHECK(meter.suffers());
  CHECK(meter.suffers_since() == 101s);
  meter.sample(seen = later(seen, 0));
  CHECK(meter.suffers());
  meter.sample(seen = later(seen, 3));  // calm must be a whole second
  meter.sample(seen = later(seen, 0));
  meter.sample(seen = later(seen, 2));
  CHECK(meter.suffers());
  meter.sample(seen = later(seen, 0));
  CHECK_FALSE(meter.suffers());
  meter.sample(seen = later(seen, 100));
  CHECK(meter.suffers_since() == seen.now);
}

TEST_CASE("a wait at a job's own limit does not count") {
  const PressureSample before{10s, 1s, 100ms, 5, 5, 1s};
  auto after = later(before, 300);
  CHECK(wait_that_counts(before, after) == 300ms);
  after.waited_at_own_limit += 250ms;
  CHECK(wait_that_counts(before, after) == 50ms);
  after.waited_at_own_limit += 100ms;  // jobs waited at the same time
  CHECK(wait_that_counts(before, after) == 0s);
}

TEST_CASE("a task that only lacks a CPU does not count, one that faults or reclaims does") {
  const PressureSample before{10s, 1s, 0s, 5, 5, 1s};
  auto after = before;
  after.now += 500ms;
  after.waited += 400ms;  // preempted within reclaim: the kernel goes on counting
  CHECK(wait_that_counts(before, after) == 0s);
  SECTION("others reclaim, this class had no CPU") {
    after.direct_reclaims += 50;
    CHECK(wait_that_counts(before, after) == 0s);
    after.cpu += 10ms;
    CHECK(wait_that_counts(before, after) == 400ms);
  }
  SECTION("its pages came in") {
    after.faulted_in += 1;
    CHECK(wait_that_counts(before, after) == 400ms);
  }
}

TEST_CASE("looks too close together and counters that start anew change nothing") {
  PressureMeter meter({});
  PressureSample seen{10s, 1s, 0s, 5, 5, 1s};
  meter.sample(seen);
  auto soon = later(seen, 40);
  soon.now = seen.now + 49ms;
  meter.sample(soon);
  CHECK_FALSE(meter.suffers());
  soon.now = seen.now + 50ms;
  meter.sample(soon);
  CHECK(meter.suffers());
  meter.sample({11s, 0s, 0s, 0, 0, 0s});
  CHECK(meter.share() == Approx(0.8));
  meter.sample({11500ms, 50ms, 0s, 1, 0, 0s});
  CHECK(meter.share() == Approx(0.1));
}
