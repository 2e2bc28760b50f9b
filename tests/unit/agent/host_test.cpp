// SPDX-License-Identifier: Apache-2.0
// Changes to the machine, on a machine of text: recorded before they are made, undone to the byte.
#include "agent/host.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>

#include "agent/host_record.h"
#include "base/fd.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::agent;

namespace {

const Knob kSystem{"unit-property", "system.slice AllowedCPUs"};
const Knob kUser{"unit-property", "user.slice AllowedCPUs"};
const Knob kQueues{"workqueue", "cpumask"};
const Knob kIrq{"irq", "24"};
const Knob kBound{"irq", "0"};

std::string key(const Knob& knob) { return knob.what + " " + knob.target; }

class FakeMachine final : public HostKnobs {
 public:
  std::map<std::string, std::pair<Knob, std::string>> knobs;
  std::function<Status(const Knob&, const std::string&)> before_write =
      [](const Knob&, const std::string&) { return ok(); };
  std::vector<std::string> writes;

  FakeMachine() {
    set(kSystem, "");
    set(kUser, "0-3");
    set(kQueues, "f");
    set(kIrq, "0-3");
    set(kBound, "0-3");
  }
  void set(const Knob& knob, const std::string& value) { knobs[key(knob)] = {knob, value}; }
  [[nodiscard]] std::string value(const Knob& knob) { return knobs.at(key(knob)).second; }

  std::vector<Reading> list(std::vector<std::string>&) override {
    std::vector<Reading> out;
    for (const auto& [name, entry] : knobs) out.push_back({entry.first, entry.second});
    return out;
  }
  Result<std::string> read(const Knob& knob) override {
    const auto found = knobs.find(key(knob));
    if (found == knobs.end()) return Error{ErrorKind::NotFound, "gone", {}};
    return found->second.second;
  }
  Status write(const Knob& knob, const std::string& text) override {
    if (auto refused = before_write(knob, text); !refused) return refused;
    if (knob == kBound) return errno_error("cannot write 0", EIO);
    writes.push_back(key(knob) + "=" + text);
    set(knob, text);
    return ok();
  }
};

struct Directory {
  Directory() {
    char name[] = "/tmp/tariff-test-XXXXXX";
    TARIFF_CHECK(::mkdtemp(name) != nullptr, "no temporary directory");
    path = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    ::unlink(record().c_str());
    ::unlink((record() + ".new").c_str());
    ::rmdir(path.c_str());
  }
  [[nodiscard]] std::string record() const { return path + "/host-changes.json"; }
  std::string path;
};

CpuPlan reserved(cgroup::CpuSet system, cgroup::CpuSet classes) {
  return {true, std::move(system), std::move(classes), "because", {}};
}
const CpuPlan kReserved = reserved({0}, {1, 2, 3});
const CpuPlan kShared{false, {0, 1, 2, 3}, {0, 1, 2, 3}, "cpus.mode is shared", {}};

bool no_file(const std::string& path) { return ::access(path.c_str(), F_OK) != 0; }

}  // namespace

TEST_CASE("every knob gets the system's CPUs, in its own writing; refusals are listed") {
  Directory directory;
  FakeMachine machine;
  Host host(machine, directory.record());
  const auto outcome = host.apply(kReserved);
  CHECK(outcome.complaints.empty());
  CHECK(machine.value(kSystem) == "0");
  CHECK(machine.value(kUser) == "0");
  CHECK(machine.value(kQueues) == "1");
  CHECK(machine.value(kIrq) == "0");
  CHECK(machine.value(kBound) == "0-3");
  const auto record = read_host_record(directory.record());
  REQUIRE(record);
  CHECK(*record == outcome.record);
  CHECK(record->mode == "reserved");
  CHECK(record->system_cpus == "0");
  CHECK(record->class_cpus == "1-3");
  CHECK(record->changes.size() == 4);
  CHECK(record->refused ==
        std::vector<HostRefusal>{{kBound, "cannot write 0: Input/output error"}});
}

TEST_CASE("undoing gives back exactly what was there and leaves no record") {
  Directory directory;
  FakeMachine machine;
  const auto before = machine.knobs;
  Host host(machine, directory.record());
  (void)host.apply(kReserved);
  SECTION("by the command") {
    CHECK(host.undo().complaints.empty());
    CHECK(no_file(directory.record()));
  }
  SECTION("by shared mode") {
    const auto outcome = host.apply(kShared);
    CHECK(outcome.record.changes.empty());
    CHECK(read_host_record(directory.record())->mode == "shared");
  }
  SECTION("by another process, which knows only the record") {
    CHECK(Host(machine, directory.record()).undo().complaints.empty());
  }
  CHECK(machine.knobs == before);
}

TEST_CASE("a change is in the record, with its old value, before it is made") {
  Directory directory;
  FakeMachine machine;
  machine.before_write = [&](const Knob& knob, const std::string& text) {
    const auto record = read_host_record(directory.record());
    REQUIRE(record);
    const auto* change = find_change(record->changes, knob);
    REQUIRE(change != nullptr);
    CHECK(change->now == text);
    CHECK(change->before == machine.value(knob));
    return ok();
  };
  (void)Host(machine, directory.record()).apply(kReserved);
}

TEST_CASE("an agent that dies between two changes does not take a changed value for the old one") {
  struct Died {};
  for (int survives = 0; survives < 4; ++survives) {
    Directory directory;
    FakeMachine machine;
    const auto before = machine.knobs;
    int writes = 0;
    machine.before_write = [&](const Knob&, const std::string&) -> Status {
      if (writes++ == survives) throw Died{};
      return ok();
    };
    CHECK_THROWS_AS(Host(machine, directory.record()).apply(kReserved), Died);
    machine.before_write = [](const Knob&, const std::string&) { return ok(); };
    SECTION("it starts again, and stops " + std::to_string(survives)) {
      (void)Host(machine, directory.record()).apply(kReserved);
      CHECK(machine.value(kIrq) == "0");
    }
    SECTION("it never starts again " + std::to_string(survives)) {}
    (void)Host(machine, directory.record()).undo();
    CHECK(machine.knobs == before);
  }
}

TEST_CASE("another plan changes what is in force and keeps the oldest values") {
  Directory directory;
  FakeMachine machine;
  const auto before = machine.knobs;
  Host host(machine, directory.record());
  (void)host.apply(kReserved);
  (void)host.apply(reserved({0, 1}, {2, 3}));
  CHECK(machine.value(kSystem) == "0-1");
  CHECK(machine.value(kQueues) == "3");
  (void)host.undo();
  CHECK(machine.knobs == before);
}

TEST_CASE("nothing is written twice, and a unit that starts later is confined then") {
  Directory directory;
  FakeMachine machine;
  Host host(machine, directory.record());
  (void)host.apply(kReserved);
  machine.writes.clear();
  const Knob fresh{"unit-property", "machine.slice AllowedCPUs"};
  machine.set(fresh, "");
  (void)host.apply(kReserved);
  CHECK(machine.writes == std::vector<std::string>{key(fresh) + "=0"});
}

TEST_CASE("what somebody changed after us is theirs; what is gone needs no undoing") {
  Directory directory;
  FakeMachine machine;
  Host host(machine, directory.record());
  (void)host.apply(kReserved);
  machine.set(kUser, "2");
  machine.knobs.erase(key(kIrq));
  CHECK(host.undo().complaints.empty());
  CHECK(machine.value(kUser) == "2");
  CHECK(machine.value(kSystem).empty());
  CHECK(no_file(directory.record()));
}

TEST_CASE("a value that was right already is not ours to undo") {
  Directory directory;
  FakeMachine machine;
  machine.set(kQueues, "00000001");  // the same CPUs, written otherwise
  Host host(machine, directory.record());
  const auto outcome = host.apply(kReserved);
  CHECK(find_change(outcome.record.changes, kQueues) == nullptr);
  (void)host.undo();
  CHECK(machine.value(kQueues) == "00000001");
}

TEST_CASE("what systemd has not answered in time stays recorded; what it refused does not") {
  Directory directory;
  FakeMachine machine;
  auto kind = ErrorKind::DeadlineExceeded;
  machine.before_write = [&](const Knob& knob, const std::string&) -> Status {
    if (knob == kSystem) return Error{kind, "no answer", {}};
    return ok();
  };
  Host host(machine, directory.record());
  const auto late = host.apply(kReserved);
  CHECK(late.complaints == std::vector<std::string>{"no answer"});
  CHECK(find_change(late.record.changes, kSystem) != nullptr);
  (void)host.undo();
  kind = ErrorKind::PermissionDenied;
  const auto refused = host.apply(kReserved);
  CHECK(refused.complaints.size() == 1);
  CHECK(find_change(refused.record.changes, kSystem) == nullptr);
}

TEST_CASE("a change that cannot be recorded is not made") {
  FakeMachine machine;
  const auto before = machine.knobs;
  const auto outcome = Host(machine, "/nonexistent/host-changes.json").apply(kReserved);
  REQUIRE(outcome.complaints.size() == 1);
  CHECK(outcome.complaints[0].find("cannot be recorded") != std::string::npos);
  CHECK(machine.knobs == before);
}

TEST_CASE("a record that is no JSON is said, and one that is comes back as it was") {
  const HostRecord record{{{kSystem, "", "0"}, {{"kthread", "55 a \"b\" \n"}, "0-1", "0"}},
                          {{kBound, "why"}}, "reserved", "0", "1-3", "because"};
  const auto again = parse_host_record(to_json(record));
  REQUIRE(again);
  CHECK(*again == record);
  for (const char* text : {"", "{", "[]", "{\"changes\":[]}", "{\"mode\":1}"}) {
    INFO(text);
    CHECK_FALSE(parse_host_record(text));
  }
}
