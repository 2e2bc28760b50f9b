// SPDX-License-Identifier: Apache-2.0
// The memory policy on the machine in miniature: what an operator would see.
#include "machine.h"

#include <algorithm>

#include "support/catch.h"

using namespace tariff::swap;
using namespace tariff::swap::test;
using namespace std::chrono_literals;

TEST_CASE("a bulk job is pushed out before critical waits, and back and finished after the load") {
  Machine machine(MachineSpec{});
  machine.add({.rank = 1, .size = 1000 * kMiB, .work = 20s});
  machine.add({.rank = 1, .size = 1000 * kMiB, .work = 20s});
  machine.add({.rank = 5, .arrives = 5s, .size = 600 * kMiB, .hot = 1, .work = 30s});
  machine.run(300s);
  CHECK(machine.all_ended());
  CHECK(machine.kills.empty());
  CHECK(machine.freezes >= 1);
  CHECK(machine.waited[5] == 0s);
  CHECK(machine.faulted[5] == 0);
  CHECK(machine.finished.size() == 3);
}

TEST_CASE("with a hundred jobs at once the order of classes holds to the end") {
  MachineSpec spec;
  spec.swap = 32'768 * kMiB;
  Machine machine(spec);
  for (int i = 0; i < 100; ++i)
    machine.add({.rank = 1 + i % 5, .size = 200 * kMiB, .growth = 400 * kMiB, .work = 2s});
  machine.run(900s);
  REQUIRE(machine.all_ended());
  CHECK(machine.kills.empty());
  std::vector<int> ranks;
  for (const auto& id : machine.finished) ranks.push_back(1 + std::stoi(id.substr(1)) % 5);
  CHECK(std::is_sorted(ranks.rbegin(), ranks.rend()));
  // Nobody was moved more than twice: those that are out come in when their turn is there.
  for (const auto& [id, times] : machine.freezes_of) {
    INFO(id);
    CHECK(times <= 2);
  }
}

TEST_CASE("two jobs that do not fit together run one after the other, not by turns") {
  MachineSpec spec;
  spec.cpus = 4;
  Machine machine(spec);
  for (int i = 0; i < 4; ++i)
    machine.add({.rank = 3, .size = 1300 * kMiB, .growth = 200 * kMiB, .hot = 1, .work = 20s});
  machine.run(600s);
  CHECK(machine.all_ended());
  CHECK(machine.finished == std::vector<std::string>{"j0", "j1", "j2", "j3"});
  CHECK(machine.freezes <= 8);
}

TEST_CASE("memory that flickers around the headroom moves a job now and then, not with each beat") {
  MachineSpec spec;
  spec.headroom.fixed = 200 * kMiB;
  Machine machine(spec);
  machine.add({.rank = 5, .size = 700 * kMiB, .hot = 1, .work = 10min});
  machine.add({.rank = 1, .size = 700 * kMiB, .work = 10min});
  machine.run(20s);
  CHECK(machine.freezes == 0);
  // 376 MiB are usable; the host takes and returns 250 of them two and a half times a second.
  for (int beat = 0; beat < 300; ++beat) {
    machine.set_host((beat % 2 == 0 ? 506 : 256) * kMiB);
    machine.run(200ms);
  }
  CHECK(machine.freezes >= 1);
  CHECK(machine.freezes <= 6);  // in a minute: time out is doubled with each bounce
  CHECK(machine.waited[5] == 0s);
}

TEST_CASE("a top-class job that leaks is stopped by nothing but the end of swap") {
  MachineSpec spec;
  spec.swap = 1024 * kMiB;
  Machine machine(spec);
  machine.add({.rank = 1, .size = 400 * kMiB, .work = 10s});
  machine.add({.rank = 3, .size = 400 * kMiB, .work = 10s});
  machine.add({.rank = 5, .arrives = 3s, .size = 100'000 * kMiB, .hot = 0.1, .work = 10min});
  machine.run(1200s);
  CHECK(machine.all_ended());
  REQUIRE_FALSE(machine.kills.empty());
  // The others stood in its way; it is the culprit itself in the end.
  CHECK(machine.kills.back().job == "j2");
  CHECK(machine.kills.back().role == Role::Culprit);
  for (const auto& kill : machine.kills) {
    INFO(kill.job);
    CHECK(std::string(word(*kill.kill_cause)) == "swap is full");
  }
}

TEST_CASE("a job that cannot leave is passed over, and the machine goes on") {
  Machine machine(MachineSpec{});
  machine.add({.rank = 1, .size = 500 * kMiB, .pinned = 500 * kMiB, .work = 20s});
  machine.add({.rank = 3, .size = 900 * kMiB, .work = 20s});
  machine.add({.rank = 5, .arrives = 2s, .size = 900 * kMiB, .hot = 1, .work = 20s});
  machine.run(300s);
  CHECK(machine.all_ended());
  CHECK(machine.kills.empty());
  CHECK(machine.freezes_of.count("j1") == 1);
  CHECK(machine.waited[5] == 0s);
}

TEST_CASE("classes that are paged are never frozen, and the load ends, too") {
  MachineSpec spec;
  for (int rank = 1; rank <= 5; ++rank) spec.modes[rank] = Mode::Page;
  Machine machine(spec);
  for (int i = 0; i < 4; ++i)
    machine.add({.rank = 1 + i, .size = 800 * kMiB, .hot = 0.3, .work = 10s});
  machine.run(600s);
  CHECK(machine.all_ended());
  CHECK(machine.freezes == 0);
  CHECK(machine.pagings > 0);
}
