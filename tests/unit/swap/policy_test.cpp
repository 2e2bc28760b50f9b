// SPDX-License-Identifier: Apache-2.0
// The memory policy by example. The machine has 2 GiB, headroom 100 MiB, memory is low until 125.
#include "swap/policy.h"

#include "support/catch.h"
#include "swap/bring_back.h"
#include "swap/kill.h"

using namespace tariff::swap;
using namespace std::chrono_literals;

namespace {

constexpr int kBulk = 1;
constexpr int kStandard = 3;
constexpr int kCritical = 5;

Snapshot machine(Bytes usable_mib) {
  Snapshot out;
  out.now = 1000s;
  out.memory.total = 2048 * kMiB;
  out.memory.headroom = 100 * kMiB;
  out.memory.leave = 125 * kMiB;
  out.memory.usable = usable_mib * kMiB;
  out.memory.free = out.memory.usable;
  out.memory.watermark = 16 * kMiB;
  out.memory.low = usable_mib < 100;
  if (usable_mib < 25) out.memory.critical_since = out.now;
  out.swap = {true, 4096 * kMiB, 1, 250 * kMiB, 250 * kMiB};
  out.class_cpus = 2;
  for (int rank = 1; rank <= 5; ++rank) {
    ClassView row;
    row.rank = rank;
    out.classes.push_back(row);
  }
  return out;
}

JobView& add(Snapshot& snapshot, const std::string& id, int rank, Bytes resident_mib,
             JobState state = JobState::Running) {
  JobView job;
  job.id = id;
  job.rank = rank;
  job.arrival = snapshot.jobs.size();
  job.state = state;
  job.since = snapshot.now - 60s;
  (state == JobState::Out ? job.out : job.resident) = resident_mib * kMiB;
  if (is_in(job)) ++snapshot.classes[static_cast<std::size_t>(rank) - 1].runnable;
  snapshot.jobs.push_back(job);
  return snapshot.jobs.back();
}

void suffer(Snapshot& snapshot, int rank, Duration since = 0s) {
  auto& row = snapshot.classes[static_cast<std::size_t>(rank) - 1];
  row.suffers = true;
  row.suffers_since = snapshot.now - since;
}

ClassView& row(Snapshot& snapshot, int rank) {
  return snapshot.classes[static_cast<std::size_t>(rank) - 1];
}

/// "swap out b1 by 60 (headroom)", one a line.
std::string told(const Decision& decision) {
  std::string text;
  for (const auto& action : decision.actions) {
    text += std::string(word(action.verb)) + " " + action.job;
    if (action.bytes > 0) text += " by " + std::to_string(action.bytes / kMiB);
    text += " (" + std::string(word(action.reason));
    if (action.kill_cause) text += ", " + std::string(word(*action.kill_cause));
    if (action.role) text += ", " + std::string(word(*action.role));
    text += ")\n";
  }
  return text;
}

std::string decided(const Snapshot& snapshot, const Settings& settings = {}) {
  return told(decide(snapshot, settings));
}

}  // namespace

TEST_CASE("with memory enough nothing is done, and the next look is half a second away") {
  auto seen = machine(1000);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 600);
  const auto decision = decide(seen, {});
  CHECK(told(decision).empty());
  CHECK(decision.look_again == 500ms);
}

TEST_CASE("the next look is when memory would be low if it went on growing like this") {
  auto seen = machine(1000);
  add(seen, "bulk", kBulk, 600);
  seen.memory.growth = 9000 * kMiB;
  CHECK(decide(seen, {}).look_again == 100ms);
  seen.memory.growth = 1000 * kMiB;
  CHECK(decide(seen, {}).look_again == 500ms);
  seen.memory.growth = 900'000 * kMiB;
  CHECK(decide(seen, {}).look_again == 20ms);
}

TEST_CASE("when memory is low the lowest class leaves, the last to come first, and enough of it") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk-1", kBulk, 500);
  add(seen, "bulk-2", kBulk, 500);
  add(seen, "standard", kStandard, 500);
  CHECK(decided(seen) == "swap out bulk-2 by 60 (headroom)\n");
  Settings two;
  two.leaving_at_once = 2;
  seen.jobs[2].resident = 40 * kMiB;
  CHECK(decided(seen, two) ==
        "swap out bulk-2 by 40 (headroom)\nswap out bulk-1 by 20 (headroom)\n");
}

TEST_CASE("what is on its way already is counted, and no second victim taken for the same bytes") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk-1", kBulk, 500);
  auto& leaving = add(seen, "bulk-2", kBulk, 500, JobState::Reclaiming);
  leaving.asked = 60 * kMiB;
  Settings two;
  two.leaving_at_once = 2;
  CHECK(decided(seen, two).empty());
  seen.jobs[2].asked = 50 * kMiB;
  CHECK(decided(seen, two) == "swap out bulk-1 by 10 (headroom)\n");
  SECTION("a dying job counts, too") {
    seen.jobs[2].state = JobState::Ending;
    seen.jobs[2].since = seen.now - 1s;
    CHECK(decided(seen, two).empty());
  }
  SECTION("but not one that does not freeze or die in time") {
    seen.jobs[2].state = GENERATE(JobState::Ending, JobState::Freezing);
    seen.jobs[2].since = seen.now - 6s;
    CHECK(decided(seen, two) == "swap out bulk-1 by 60 (headroom)\n");
  }
}

TEST_CASE("between the two levels nothing begins, and what has begun goes on to the upper one") {
  auto seen = machine(110);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 500);
  SECTION("coming from above") { CHECK(decided(seen).empty()); }
  SECTION("coming from below") {
    seen.memory.low = true;
    CHECK(decided(seen) == "swap out bulk by 15 (headroom)\n");
  }
}

TEST_CASE("who is leaving is let go as soon as enough is free, who would run first before others") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 500, JobState::Reclaiming).asked = 70 * kMiB;
  add(seen, "standard", kStandard, 500, JobState::Reclaiming).asked = 70 * kMiB;
  CHECK(decided(seen) == "stop swapping out standard (enough is free)\n");
  seen.memory.usable = 130 * kMiB;
  seen.memory.low = false;
  CHECK(decided(seen) ==
        "stop swapping out standard (enough is free)\nstop swapping out bulk (enough is free)\n");
}

TEST_CASE("a class that waits is helped by lower classes only") {
  auto seen = machine(300);
  add(seen, "critical", kCritical, 300);
  add(seen, "standard", kStandard, 300);
  add(seen, "bulk", kBulk, 300);
  seen.memory.free = 20 * kMiB;  // the kernel reclaims; the rest of what is usable is page cache
  SECTION("the highest waits: the lowest leaves") {
    suffer(seen, kCritical);
    CHECK(decided(seen) == "swap out bulk by 96 (pressure)\n");
    CHECK(decide(seen, {}).actions[0].suffering_rank == kCritical);
  }
  SECTION("the next one up, when nothing of the lowest is left") {
    suffer(seen, kCritical);
    seen.jobs[2].pinned = seen.jobs[2].resident;
    const auto decision = decide(seen, {});
    CHECK(told(decision) == "swap out standard by 96 (pressure)\n");
    CHECK(decision.actions[0].passed_over ==
          std::vector<PassedOver>{{"bulk", Obstacle::TooSmall}});
  }
  SECTION("never one of its own class or above") {
    suffer(seen, kStandard);
    seen.jobs[2].pinned = seen.jobs[2].resident;
    CHECK(decided(seen).empty());
  }
  SECTION("the lowest that waits alone is no reason") {
    suffer(seen, kBulk);
    CHECK(decided(seen).empty());
  }
  SECTION("nor is a wait while pages are free: it faults something in") {
    suffer(seen, kCritical);
    seen.memory.free = 200 * kMiB;
    CHECK(decided(seen).empty());
  }
}

TEST_CASE("a class whose memory.swap.max is 0 is never moved out") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 300);
  add(seen, "standard", kStandard, 300);
  row(seen, kBulk).swap_room = 0;
  const auto decision = decide(seen, {});
  CHECK(told(decision) == "swap out standard by 60 (headroom)\n");
  CHECK(decision.actions[0].passed_over == std::vector<PassedOver>{{"bulk", Obstacle::Excluded}});
  row(seen, kBulk).swap_room = 20 * kMiB;
  CHECK(decided(seen) == "swap out bulk by 20 (headroom)\n");
}

TEST_CASE("the first in line stays, so that somebody runs where not even one job fits") {
  auto seen = machine(65);
  add(seen, "only", kBulk, 1800);
  CHECK(decided(seen).empty());
  SECTION("another one leaves before it") {
    add(seen, "second", kBulk, 100);
    CHECK(decided(seen) == "swap out second by 60 (headroom)\n");
  }
  SECTION("if there is none and it is urgent, its cold pages leave, with a rest between") {
    seen.memory.usable = 20 * kMiB;
    CHECK(decided(seen) == "page only by 105 (headroom)\n");
    seen.jobs[0].paged_at = seen.now - 900ms;
    const auto decision = decide(seen, {});
    CHECK(told(decision).empty());
    CHECK(decision.look_again == 100ms);
  }
}

TEST_CASE("who has just returned stays, and nobody of a higher class leaves in its place") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "standard", kStandard, 300);
  add(seen, "bulk", kBulk, 300).returned_at = seen.now - 1s;
  SECTION("it is waited for") {
    // 300 MiB at 250 MiB/s took 1.2 s to come in: it stays four times that.
    const auto decision = decide(seen, {});
    CHECK(told(decision).empty());
    CHECK(decision.look_again == 500ms);
    seen.now += 3700ms;
    CHECK(decide(seen, {}).look_again == 100ms);
    seen.now += 200ms;
    CHECK(decided(seen) == "swap out bulk by 60 (headroom)\n");
  }
  SECTION("but not when a higher class waits, or half of the headroom is gone") {
    seen.memory.usable = 40 * kMiB;
    CHECK(decided(seen) == "swap out bulk by 85 (headroom)\n");
  }
}

TEST_CASE("a paged class is never frozen, and gives a quarter at most at once") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 100);
  row(seen, kBulk).mode = Mode::Page;
  CHECK(decided(seen) == "page bulk by 25 (headroom)\n");
  SECTION("then it rests, and nobody else goes in its place") {
    seen.jobs[1].paged_at = seen.now - 100ms;
    add(seen, "standard", kStandard, 300);
    CHECK(decided(seen).empty());
  }
  SECTION("in vain if its pages come back: the next class up leaves") {
    seen.jobs[1].pages_come_back = true;
    add(seen, "standard", kStandard, 300);
    CHECK(decided(seen) == "swap out standard by 60 (headroom)\n");
  }
}

TEST_CASE("with both, a job is paged while that is enough, else it is swapped") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 100);
  row(seen, kBulk).mode = Mode::Both;
  CHECK(decided(seen) == "page bulk by 25 (headroom)\n");
  SECTION("its pages come back") {
    seen.jobs[1].pages_come_back = true;
    CHECK(decided(seen) == "swap out bulk by 60 (headroom)\n");
  }
  SECTION("it has no CPU anyway") {
    seen.class_cpus = 1;
    CHECK(decided(seen) == "swap out bulk by 60 (headroom)\n");
  }
  SECTION("somebody waits") {
    suffer(seen, kCritical);
    CHECK(decided(seen) == "swap out bulk by 51 (pressure)\n");
  }
}

TEST_CASE("with zram more is moved, since what is moved takes RAM, too") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 500);
  seen.swap.gain = 0.5;
  CHECK(decided(seen) == "swap out bulk by 120 (headroom)\n");
}

TEST_CASE("the highest class comes back first, then first come first served") {
  auto seen = machine(1000);
  seen.class_cpus = 8;
  add(seen, "bulk", kBulk, 200, JobState::Out);
  add(seen, "critical-1", kCritical, 200, JobState::Out);
  add(seen, "critical-2", kCritical, 200, JobState::Out);
  CHECK(decided(seen) == "swap in critical-1 by 200 (room)\n");
  SECTION("one at a time") {
    add(seen, "another", kStandard, 100, JobState::ComingIn);
    CHECK(decided(seen).empty());
  }
  SECTION("not while another leaves") {
    add(seen, "another", kStandard, 100, JobState::Reclaiming).asked = kMiB;
    CHECK(decided(seen) == "stop swapping out another (enough is free)\n");
  }
  SECTION("not while its own class or one above it waits") {
    suffer(seen, kCritical);
    add(seen, "in", kCritical, 100);
    CHECK(decided(seen).empty());
  }
  SECTION("although one below it waits") {
    suffer(seen, kStandard);
    add(seen, "in", kStandard, 100);
    CHECK(decided(seen) == "swap in critical-1 by 200 (room)\n");
  }
}

TEST_CASE("a job comes back only if it will run") {
  auto seen = machine(1000);
  add(seen, "bulk", kBulk, 200, JobState::Out);
  add(seen, "standard-1", kStandard, 200);
  add(seen, "standard-2", kStandard, 200);
  CHECK(decided(seen).empty());
  row(seen, kStandard).runnable = 1;  // one of them sleeps
  CHECK(decided(seen) == "swap in bulk by 200 (room)\n");
}

TEST_CASE("a job comes back only if its whole size and a margin fit above the upper level") {
  // 125 to leave + 400 + an eighth of it = 575
  for (const auto& [usable, expected] : {std::pair{574, ""},
                                         std::pair{575, "swap in bulk by 400 (room)\n"}}) {
    auto seen = machine(static_cast<Bytes>(usable));
    add(seen, "critical", kCritical, 100);
    add(seen, "bulk", kBulk, 400, JobState::Out);
    CHECK(decided(seen) == expected);
  }
}

TEST_CASE("a smaller job overtakes one that does not fit three times and no more") {
  auto seen = machine(400);
  add(seen, "critical", kCritical, 100);
  auto& large = add(seen, "large", kBulk, 900, JobState::Out);
  large.overtaken = 2;
  add(seen, "small", kBulk, 100, JobState::Out);
  const auto decision = decide(seen, {});
  CHECK(told(decision) == "swap in small by 100 (room)\n");
  CHECK(decision.actions[0].passed_over ==
        std::vector<PassedOver>{{"large", Obstacle::Overtaken}});
  seen.jobs[1].overtaken = 3;
  CHECK(decided(seen).empty());
}

TEST_CASE("a job that was pushed out soon after it came in waits longer each time") {
  Settings settings;
  auto seen = machine(1000);
  auto& job = add(seen, "bulk", kBulk, 200);
  CHECK(bounces_when_pushed_out(seen, settings, job) == 0);
  job.returned_at = seen.now - 3s;
  CHECK(bounces_when_pushed_out(seen, settings, job) == 1);
  job.bounces = 4;
  CHECK(bounces_when_pushed_out(seen, settings, job) == 5);
  job.returned_at = seen.now - 30s;
  CHECK(bounces_when_pushed_out(seen, settings, job) == 0);
  job.since = seen.now;
  CHECK(earliest_return(settings, job) - seen.now == 16s);
  job.bounces = 1000;
  CHECK(earliest_return(settings, job) - seen.now == 64s);
}

TEST_CASE("room is made for a job of a higher class on a machine full of lower ones") {
  auto seen = machine(200);
  add(seen, "critical", kCritical, 300, JobState::Out);
  add(seen, "bulk-1", kBulk, 800);
  add(seen, "bulk-2", kBulk, 700);
  const auto decision = decide(seen, {});
  // 125 + 300 and an eighth of it, less the 200 that there are
  CHECK(told(decision) == "swap out bulk-2 by 262 (make room)\n");
  CHECK(decision.actions[0].on_behalf_of == "critical");
  SECTION("not by one running job for another of the same class") {
    for (auto& job : seen.jobs) job.rank = kBulk;
    row(seen, kBulk).runnable = 1;
    CHECK(decided(seen).empty());
  }
  SECTION("but by what is left of frozen ones behind it") {
    for (auto& job : seen.jobs) job.rank = kBulk;
    row(seen, kBulk).runnable = 1;
    seen.jobs[2].state = JobState::Out;
    CHECK(decided(seen) == "swap out bulk-2 by 262 (make room)\n");
  }
}

TEST_CASE("fewer jobs fit than there are cores: what runs goes on running, the rest waits") {
  // The paper's Discussion: an idle core wants the job that is out, and there is no room for it.
  auto seen = machine(150);
  seen.class_cpus = 4;
  add(seen, "first", kStandard, 900);
  add(seen, "second", kStandard, 700);
  add(seen, "third", kStandard, 800, JobState::Out);
  add(seen, "fourth", kStandard, 800, JobState::Out);
  const auto decision = decide(seen, {});
  CHECK(told(decision).empty());
  CHECK(decision.look_again == 500ms);
}

TEST_CASE("one that is too large to fit at all comes in when nothing else is") {
  auto seen = machine(1700);
  add(seen, "large", kBulk, 1800, JobState::Out);
  add(seen, "larger", kBulk, 1900, JobState::Out);
  CHECK(decided(seen) == "swap in large by 1600 (alone)\n");
  add(seen, "small", kBulk, 10);
  CHECK(decided(seen).empty());
}

TEST_CASE("nobody is killed for memory that is merely low, whatever is wrong with swap") {
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 500);
  SECTION("none") { seen.swap = {}; }
  SECTION("full") { seen.swap.left = 0; }
  SECTION("zram that does not compress") { seen.swap.gain = 0.05; }
  CHECK(decided(seen).empty());
}

TEST_CASE("when memory is critical and swap cannot help, one job of the lowest class is killed") {
  auto seen = machine(20);
  add(seen, "critical", kCritical, 300).growth = 90 * kMiB;
  add(seen, "bulk-1", kBulk, 500);
  add(seen, "bulk-2", kBulk, 400);
  SECTION("no swap: nobody of that class grew, so the last is a bystander") {
    seen.swap = {};
    CHECK(decided(seen) == "kill bulk-2 by 400 (headroom, no swap, bystander)\n");
  }
  SECTION("the one that grew is the culprit, and goes before the last") {
    seen.swap = {};
    seen.jobs[1].growth = 200 * kMiB;
    CHECK(decided(seen) == "kill bulk-1 by 500 (headroom, no swap, culprit)\n");
  }
  SECTION("swap is full: what a frozen one holds of it counts, too") {
    seen.swap.left = 0;
    seen.jobs[2].state = JobState::Out;
    seen.jobs[2].out = 390 * kMiB;
    seen.jobs[2].resident = 10 * kMiB;
    CHECK(decided(seen) == "kill bulk-2 by 400 (headroom, swap is full, bystander)\n");
  }
  SECTION("everything is mlocked") {
    for (auto& job : seen.jobs) job.pinned = job.resident;
    CHECK(decided(seen) == "kill bulk-2 by 400 (headroom, nothing can leave, bystander)\n");
  }
  SECTION("one that dies already is waited for, if that makes it less than critical") {
    seen.swap = {};
    auto& dying = add(seen, "dying", kBulk, 5, JobState::Ending);
    dying.since = seen.now;
    CHECK(decided(seen).empty());
    dying.resident = 4 * kMiB;
    CHECK(decided(seen) == "kill bulk-2 by 400 (headroom, no swap, bystander)\n");
  }
}

TEST_CASE("swap that is too slow: first more are frozen, then one is killed") {
  auto seen = machine(20);
  add(seen, "critical", kCritical, 300);
  add(seen, "standard", kStandard, 300);
  add(seen, "bulk", kBulk, 500, JobState::Reclaiming).asked = 400 * kMiB;
  seen.memory.growth = 400 * kMiB;
  CHECK(decided(seen).empty());  // standard does not grow: freezing it would not help
  seen.jobs[1].growth = 400 * kMiB;
  CHECK(decided(seen) == "swap out standard by 300 (headroom)\n");
  seen.memory.critical_since = seen.now - 1s;
  CHECK(decided(seen) == "kill bulk by 500 (headroom, swap is too slow, bystander)\n");
  seen.memory.growth = 100 * kMiB;
  CHECK(decided(seen).empty());
}

TEST_CASE("while memory is taken faster than it leaves, nobody who is leaving is let go") {
  auto seen = machine(90);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk-1", kBulk, 500, JobState::Reclaiming).asked = 400 * kMiB;
  add(seen, "bulk-2", kBulk, 500, JobState::Reclaiming).asked = 400 * kMiB;
  CHECK(decided(seen) == "stop swapping out bulk-1 (enough is free)\n");
  seen.memory.growth = 250 * kMiB;
  CHECK(decided(seen).empty());
}

TEST_CASE("swap that is promised to one job is not promised to another") {
  Settings two;
  two.leaving_at_once = 2;
  auto seen = machine(65);
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk-1", kBulk, 500);
  add(seen, "bulk-2", kBulk, 500, JobState::Reclaiming).asked = 10 * kMiB;
  seen.swap.left = 30 * kMiB;
  CHECK(decided(seen, two) == "swap out bulk-1 by 20 (headroom)\n");
}

TEST_CASE("a class that has waited for a second is helped by a kill where swap cannot help") {
  auto seen = machine(300);
  seen.memory.free = 10 * kMiB;
  seen.swap = {};
  add(seen, "critical", kCritical, 300);
  add(seen, "bulk", kBulk, 500);
  suffer(seen, kCritical, 900ms);
  CHECK(decided(seen).empty());
  suffer(seen, kCritical, 1s);
  CHECK(decided(seen) == "kill bulk by 500 (pressure, no swap, bystander)\n");
  seen.jobs[1].rank = kCritical;
  CHECK(decided(seen).empty());
}

TEST_CASE("what has a word is said, what has none is a bug") {
  for (int i = 0; i <= static_cast<int>(Verb::Kill); ++i)
    CHECK_FALSE(word(static_cast<Verb>(i)).empty());
  for (int i = 0; i <= static_cast<int>(Reason::Alone); ++i)
    CHECK_FALSE(word(static_cast<Reason>(i)).empty());
  for (int i = 0; i <= static_cast<int>(KillCause::NothingCanLeave); ++i)
    CHECK_FALSE(word(static_cast<KillCause>(i)).empty());
  for (int i = 1; i <= static_cast<int>(Obstacle::Overtaken); ++i)
    CHECK_FALSE(word(static_cast<Obstacle>(i)).empty());
  for (int i = 0; i <= static_cast<int>(JobState::Held); ++i)
    CHECK_FALSE(word(static_cast<JobState>(i)).empty());
}
