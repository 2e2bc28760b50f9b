// SPDX-License-Identifier: Apache-2.0
// The memory policy against generated snapshots and generated loads. Each seed is a case of its
// own; a failure prints it.
#include <algorithm>
#include <map>
#include <random>

#include "machine.h"
#include "rules.h"
#include "support/catch.h"

using namespace tariff::swap;
using namespace tariff::swap::test;
using namespace std::chrono_literals;

namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  bool one_in(std::uint64_t count) { return below(count) == 0; }
  Bytes mib(std::uint64_t limit) { return below(limit) * kMiB; }

 private:
  std::mt19937_64 engine_;
};

constexpr int kClasses = 5;

JobView any_job(Random& random, std::uint64_t arrival, Time now) {
  JobView job;
  job.id = "j" + std::to_string(arrival);
  job.arrival = arrival;
  job.rank = 1 + static_cast<int>(random.below(kClasses));
  job.state = static_cast<JobState>(random.below(8));
  job.since = now - Duration(random.below(10'000'000'000));
  job.resident = random.mib(400);
  job.pinned = random.one_in(5) ? job.resident : random.mib(4);
  job.out = job.state == JobState::Running ? 0 : random.mib(400);
  if (is_leaving(job) || job.state == JobState::Paging) job.asked = random.mib(300);
  job.growth = random.one_in(3) ? random.mib(100) : 0;
  if (random.one_in(3)) job.returned_at = now - Duration(random.below(5'000'000'000));
  if (random.one_in(4)) job.paged_at = now - Duration(random.below(2'000'000'000));
  job.pages_come_back = random.one_in(4);
  if (random.one_in(6)) job.not_before = now + 1s;
  job.overtaken = static_cast<int>(random.below(4));
  job.bounces = static_cast<int>(random.below(8));
  return job;
}

Snapshot any_snapshot(Random& random) {
  Snapshot out;
  out.now = 100s;
  out.class_cpus = 1 + static_cast<int>(random.below(8));
  auto& memory = out.memory;
  memory.total = 2048 * kMiB;
  memory.headroom = 102 * kMiB + random.mib(200);
  memory.leave = memory.headroom * 5 / 4;
  memory.usable = random.one_in(2) ? random.mib(400) : random.mib(2000);
  memory.free = random.mib(1 + memory.usable / kMiB);
  memory.watermark = 16 * kMiB;
  memory.low = memory.usable < memory.headroom ||
               (memory.usable < memory.leave && random.one_in(2));
  if (memory.usable < critical_level(memory))
    memory.critical_since = out.now - Duration(random.below(3'000'000'000));
  memory.growth = random.mib(400);
  out.swap.present = !random.one_in(8);
  out.swap.left = !out.swap.present || random.one_in(8) ? 0 : random.mib(4096);
  out.swap.gain = random.one_in(3) ? 0.6 : 1;
  out.swap.out_speed = out.swap.in_speed = random.one_in(4) ? 0 : 10 * kMiB + random.mib(300);
  for (int rank = 1; rank <= kClasses; ++rank) {
    ClassView row;
    row.rank = rank;
    row.mode = random.one_in(3) ? static_cast<Mode>(random.below(3)) : Mode::Swap;
    if (random.one_in(5)) row.swap_room = random.mib(3) * 50;
    row.suffers = random.one_in(6);
    row.suffers_since = out.now - Duration(random.below(3'000'000'000));
    row.runnable = static_cast<int>(random.below(3));
    out.classes.push_back(row);
  }
  const auto jobs = random.below(14);
  for (std::uint64_t i = 0; i < jobs; ++i) out.jobs.push_back(any_job(random, i, out.now));
  return out;
}

MachineSpec any_machine(Random& random) {
  MachineSpec spec;
  spec.cpus = 1 + static_cast<int>(random.below(4));
  spec.swap = (4 + random.below(8)) * 1024 * kMiB;
  spec.speed = (50 + random.below(300)) * kMiB;
  if (random.one_in(4)) spec.gain = 0.65;
  for (int rank = 1; rank <= kClasses; ++rank)
    if (random.one_in(3)) spec.modes[rank] = static_cast<Mode>(random.below(3));
  spec.settings.leaving_at_once = 1 + static_cast<int>(random.below(2));
  return spec;
}

JobSpec any_spec(Random& random) {
  JobSpec spec;
  spec.rank = 1 + static_cast<int>(random.below(kClasses));
  spec.arrives = std::chrono::milliseconds(random.below(20'000));
  spec.size = (20 + random.below(700)) * kMiB;
  spec.growth = (10 + random.below(200)) * kMiB;
  spec.hot = 0.2 + 0.1 * static_cast<double>(random.below(8));
  spec.work = std::chrono::milliseconds(1'000 + random.below(20'000));
  return spec;
}

std::string listing(const Snapshot& seen, const Decision& decision) {
  std::string text;
  for (const auto& job : seen.jobs)
    text += job.id + " class " + std::to_string(job.rank) + " " + std::string(word(job.state)) +
            " " + std::to_string(job.resident / kMiB) + " in " + std::to_string(job.out / kMiB) +
            " out, " + std::to_string(job.pinned / kMiB) + " pinned\n";
  for (const auto& action : decision.actions)
    text += std::string(word(action.verb)) + " " + action.job + " by " +
            std::to_string(action.bytes / kMiB) + ": " + std::string(word(action.reason)) +
            (action.kill_cause ? ", " + std::string(word(*action.kill_cause)) : "") + "\n";
  return text + std::to_string(seen.memory.usable / kMiB) + " MiB usable of headroom " +
         std::to_string(seen.memory.headroom / kMiB);
}

std::string report(const Machine& machine) {
  return listing(machine.snapshot(), {machine.kills, {}}) + ", now " +
         std::to_string(machine.now() / std::chrono::milliseconds(1)) + " ms";
}

}  // namespace

TEST_CASE("no decision on any snapshot breaks a rule") {
  int moved = 0;
  int killed = 0;
  int returned = 0;
  int stopped = 0;
  for (unsigned seed = 1; seed <= 30'000; ++seed) {
    Random random(seed);
    const auto snapshot = any_snapshot(random);
    Settings settings;
    settings.leaving_at_once = 1 + static_cast<int>(random.below(4));
    const auto decision = decide(snapshot, settings);
    const auto broken = broken_rule(snapshot, settings, decision);
    INFO("seed " << seed << ": " << broken << "\n" << listing(snapshot, decision));
    if (!broken.empty()) REQUIRE(broken.empty());
    for (const auto& action : decision.actions) {
      moved += action.verb == Verb::SwapOut || action.verb == Verb::Page ? 1 : 0;
      killed += action.verb == Verb::Kill ? 1 : 0;
      returned += action.verb == Verb::SwapIn ? 1 : 0;
      stopped += action.verb == Verb::StopLeaving ? 1 : 0;
    }
  }
  // The generator reaches every kind of action, or the test would say nothing.
  CHECK(moved > 1000);
  CHECK(killed > 100);
  CHECK(returned > 100);
  CHECK(stopped > 1000);
}

TEST_CASE("the same snapshot is decided alike, in whatever order jobs and classes are listed") {
  for (unsigned seed = 1; seed <= 2'000; ++seed) {
    Random random(seed);
    auto snapshot = any_snapshot(random);
    const auto before = decide(snapshot, {});
    std::reverse(snapshot.jobs.begin(), snapshot.jobs.end());
    std::reverse(snapshot.classes.begin(), snapshot.classes.end());
    const auto after = decide(snapshot, {});
    INFO("seed " << seed);
    REQUIRE(before.actions.size() == after.actions.size());
    for (std::size_t i = 0; i < before.actions.size(); ++i) {
      REQUIRE(before.actions[i].job == after.actions[i].job);
      REQUIRE(before.actions[i].verb == after.actions[i].verb);
      REQUIRE(before.actions[i].bytes == after.actions[i].bytes);
    }
    REQUIRE(before.look_again == after.look_again);
  }
}

TEST_CASE("with enough swap every job of any load finishes, none is killed, rules hold") {
  int outs = 0;
  for (unsigned seed = 1; seed <= 120; ++seed) {
    Random random(seed);
    const auto spec = any_machine(random);
    Machine machine(spec);
    const auto jobs = 4 + random.below(12);
    for (std::uint64_t i = 0; i < jobs; ++i) machine.add(any_spec(random));
    std::string broken;
    machine.run(900s, [&](const Snapshot& snapshot, const Decision& decision) {
      if (broken.empty()) broken = broken_rule(snapshot, spec.settings, decision);
    });
    INFO("seed " << seed << "\n" << broken << "\n" << report(machine));
    REQUIRE(broken.empty());
    REQUIRE(machine.all_ended());
    REQUIRE(machine.kills.empty());
    REQUIRE(machine.finished.size() == jobs);
    REQUIRE(machine.most_overtaken <= spec.settings.overtakings);
    outs += machine.swap_outs;
  }
  CHECK(outs > 100);
}

TEST_CASE("with little or no swap every job finishes or is killed for a true reason") {
  std::map<KillCause, int> causes;
  for (unsigned seed = 1; seed <= 120; ++seed) {
    Random random(seed);
    auto spec = any_machine(random);
    spec.swap = random.one_in(3) ? 0 : random.mib(1024);
    Machine machine(spec);
    const auto jobs = 4 + random.below(12);
    for (std::uint64_t i = 0; i < jobs; ++i) {
      auto job = any_spec(random);
      if (random.one_in(4)) job.pinned = job.size;
      machine.add(job);
    }
    std::string broken;
    machine.run(900s, [&](const Snapshot& snapshot, const Decision& decision) {
      if (broken.empty()) broken = broken_rule(snapshot, spec.settings, decision);
    });
    INFO("seed " << seed << "\n" << broken << "\n" << report(machine));
    REQUIRE(broken.empty());
    REQUIRE(machine.all_ended());
    REQUIRE(machine.finished.size() + machine.kills.size() == jobs);
    for (const auto& kill : machine.kills) ++causes[*kill.kill_cause];
  }
  CHECK(causes[KillCause::SwapAbsent] > 0);
  CHECK(causes[KillCause::SwapFull] > 0);
}

TEST_CASE("jobs that never end come to rest: no action in the last minute of five") {
  for (unsigned seed = 1; seed <= 80; ++seed) {
    Random random(seed);
    auto spec = any_machine(random);
    spec.headroom.fixed = 128 * kMiB;  // else it shrinks for half an hour, and lets more in
    Machine machine(spec);
    for (std::uint64_t i = 0; i < 8; ++i) {
      auto job = any_spec(random);
      job.work = 24h;
      machine.add(job);
    }
    machine.run(300s);
    INFO("seed " << seed << ": " << machine.freezes << " frozen, " << machine.swap_ins << " in, "
                 << machine.pagings << " paged\n"
                 << report(machine));
    REQUIRE(machine.last_action <= 240s);
    REQUIRE(machine.freezes <= 24);  // three for each job
  }
}
