// SPDX-License-Identifier: Apache-2.0
#include "cgroup/boost.h"

#include <functional>
#include <set>

#include "support/catch.h"

namespace tariff::cgroup {
namespace {

constexpr Scheduling kClass{kPolicyFifo, 20, 0, false};
constexpr Scheduling kRaised{kPolicyFifo, 54, 0, false};
constexpr std::int64_t kMillisecond = 1'000'000;

/// A leaf and its kernel: only a raised task gets the CPU, and then runs into its trap, in wait().
class FakeLeaf final : public BoostTarget {
 public:
  std::map<int, Scheduling> threads;
  std::map<int, Scheduling> strangers;
  std::set<int> stuck;  ///< in uninterruptible sleep
  std::set<int> dying;  ///< of a signal that was sent
  std::optional<std::string> record;
  bool freezing = false, killing = false, removed = false;
  std::int64_t clock = 0;
  std::vector<std::string> log;
  std::function<void(int)> before_set = [](int) {};
  std::function<void(int)> in_set = [](int) {};  ///< after it was checked
  std::function<void()> in_wait = [] {};

  Result<State> state() override {
    if (removed) return Error{ErrorKind::NotFound, "no leaf", {}};
    return State{freezing && trapped_.size() == threads.size(), !threads.empty()};
  }
  Result<std::vector<int>> tasks() override {
    if (removed) return Error{ErrorKind::NotFound, "no leaf", {}};
    std::vector<int> ids;
    for (const auto& [tid, unused] : threads) ids.push_back(tid);
    return ids;
  }
  std::optional<Scheduling> scheduling(int tid) override {
    for (auto* all : {&threads, &strangers})
      if (all->contains(tid)) return all->at(tid);
    return std::nullopt;
  }
  bool set(int tid, const Scheduling& wanted) override {
    before_set(tid);
    for (auto* all : {&threads, &strangers})
      if (all->contains(tid)) {
        if (all == &threads && level(wanted) > level(kClass)) check_raise(tid);
        in_set(tid);
        all->at(tid) = wanted;
        return true;
      }
    return false;
  }
  bool stranger(int tid) override { return strangers.contains(tid); }
  bool doomed(int tid) override { return dying.contains(tid); }
  Status request(BoostGoal goal) override {
    (goal == BoostGoal::Freeze ? freezing : killing) = true;
    log.emplace_back("request");
    return ok();
  }
  Status withdraw_freeze() override {
    log.emplace_back("withdraw");
    for (const auto& [tid, now] : threads) CHECK(level(now) <= level(kClass));
    freezing = false;
    trapped_.clear();
    return ok();
  }
  Result<bool> freeze_requested() override { return freezing; }
  Status mark(const std::string& text) override {
    log.emplace_back("mark");
    record = text;
    return ok();
  }
  std::optional<std::string> marked() override { return record; }
  void unmark() override { record.reset(); }
  std::int64_t now() override { return clock; }
  void wait(std::int64_t nanoseconds) override {
    clock += nanoseconds;
    in_wait();
    for (auto task = threads.begin(); task != threads.end();) {
      const bool runs = level(task->second) == 54 && !stuck.contains(task->first);
      if (runs && freezing) trapped_.insert(task->first);
      task = runs && killing ? threads.erase(task) : std::next(task);
    }
  }

 private:
  /// The promise: nobody is raised who could run his own code.
  void check_raise(int tid) {
    if (log.empty() || log.back() != "raise") log.emplace_back("raise");
    CHECK((freezing || killing || dying.contains(tid)));
    if (freezing) CHECK(record.has_value());
  }
  std::set<int> trapped_;
};

BoostOptions options(std::int64_t patience_ms = 100) {
  return {.own = kClass, .level = 54, .patience = patience_ms * kMillisecond};
}

TEST_CASE("freezing marks the leaf, requests, raises, and puts back while frozen") {
  FakeLeaf leaf;
  for (int tid = 1; tid <= 64; ++tid) leaf.threads[tid] = kClass;
  leaf.threads[7] = Scheduling{0, 0, 5, true};  // lowered itself
  const auto before = leaf.threads;
  const auto report = freeze(leaf, options());
  REQUIRE(report);
  CHECK(leaf.log == std::vector<std::string>{"mark", "request", "raise"});
  CHECK(report->raised == 64);
  CHECK(report->reached);
  CHECK(leaf.freezing);
  CHECK(leaf.threads == before);
  CHECK_FALSE(leaf.record);
}

TEST_CASE("tasks that are born while a job is frozen are caught, and end in the class") {
  FakeLeaf leaf;
  leaf.threads[1] = kClass;
  int born = 0;
  leaf.in_wait = [&] {  // the last one inherits the raise, the others do not
    if (born < 20) ++born, leaf.threads[100 + born] = born == 20 ? kRaised : kClass;
  };
  REQUIRE(freeze(leaf, options(1'000)));
  CHECK(born == 20);
  for (const auto& [tid, now] : leaf.threads) CHECK(now == kClass);
}

TEST_CASE("a job that cannot be frozen in time runs on as before, and was never above its class") {
  FakeLeaf leaf;
  leaf.threads[1] = kClass;
  leaf.threads[2] = kClass;
  leaf.stuck.insert(2);
  const auto report = freeze(leaf, options());
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == ErrorKind::DeadlineExceeded);
  CHECK(leaf.log.back() == "withdraw");
  CHECK_FALSE(leaf.freezing);
  CHECK_FALSE(leaf.record);
  CHECK(leaf.threads[2] == kClass);
  CHECK(leaf.clock >= 100 * kMillisecond);
}

TEST_CASE("a job whose trampoline is still above the class is not frozen") {
  FakeLeaf leaf;
  leaf.threads[1] = Scheduling{kPolicyFifo, 58, 0, false};
  const auto report = freeze(leaf, options());
  REQUIRE_FALSE(report);
  CHECK(report.error().kind == ErrorKind::FailedPrecondition);
  CHECK(leaf.log.empty());
}

TEST_CASE("a stranger that took a task's number gets back what it had") {
  FakeLeaf leaf;
  leaf.threads[1] = kClass;
  leaf.threads[2] = kClass;
  leaf.before_set = [&](int tid) {  // task 2 dies after it was listed; its number is given away
    if (tid == 1 && leaf.threads.erase(2) == 1) leaf.strangers[2] = kClass;
  };
  const auto report = kill(leaf, options());
  REQUIRE(report);
  CHECK(report->strangers == 1);
  CHECK(leaf.strangers[2] == kClass);
}

TEST_CASE("killing goes on until the leaf is empty or the patience is over") {
  FakeLeaf leaf;
  for (int tid = 1; tid <= 3; ++tid) leaf.threads[tid] = kClass;
  SECTION("empty") {
    const auto report = kill(leaf, options());
    REQUIRE(report);
    CHECK(report->reached);
    CHECK(leaf.threads.empty());
    CHECK_FALSE(leaf.record);
  }
  SECTION("a stuck task") {
    leaf.stuck.insert(3);
    const auto report = kill(leaf, options());
    REQUIRE(report);
    CHECK_FALSE(report->reached);
    CHECK(report->rounds > 3);
    CHECK(level(leaf.threads[3]) == 54);  // dies as soon as it wakes
  }
  SECTION("without patience one round is made") {
    const auto report = kill(leaf, options(0));
    REQUIRE(report);
    CHECK(report->rounds == 1);
    CHECK(report->raised == 3);
  }
  SECTION("a leaf that was removed is dead") {
    leaf.removed = true;
    const auto report = kill(leaf, options());
    REQUIRE(report);
    CHECK(report->reached);
  }
}

TEST_CASE("after a signal only those are raised whom it kills") {
  FakeLeaf leaf;
  for (int tid = 1; tid <= 4; ++tid) leaf.threads[tid] = kClass;
  leaf.dying = {2, 3};
  const auto report = hasten(leaf, options());
  REQUIRE(report);
  CHECK(report->raised == 2);
  CHECK(leaf.threads[1] == kClass);
  CHECK(leaf.threads[2] == kRaised);
  CHECK(leaf.threads[3] == kRaised);
  CHECK(leaf.threads[4] == kClass);
  CHECK(leaf.log == std::vector<std::string>{"raise"});
  CHECK(hasten(leaf, options())->raised == 0);
  leaf.removed = true;
  CHECK(hasten(leaf, options())->raised == 0);
}

TEST_CASE("a task that got the number of one that has died is put back") {
  FakeLeaf leaf;
  leaf.threads[1] = leaf.threads[2] = kClass;
  leaf.dying = {1, 2};
  SECTION("another of the job's") {
    leaf.in_set = [&](int tid) {
      if (tid == 2) leaf.dying.erase(2);
    };
    CHECK(hasten(leaf, options())->strangers == 1);
    CHECK(leaf.threads[2] == kClass);
  }
  SECTION("a stranger") {
    leaf.before_set = [&](int tid) {
      if (tid == 1 && leaf.threads.erase(2) == 1) leaf.strangers[2] = kClass;
    };
    CHECK(hasten(leaf, options())->strangers == 1);
    CHECK(leaf.strangers[2] == kClass);
  }
  CHECK(leaf.threads[1] == kRaised);
}

TEST_CASE("a task is doomed when a KILL is pending for it or it is exiting") {
  CHECK_FALSE(doomed({}));
  CHECK(doomed({0x100, 0}));
  CHECK(doomed({0x4100, 0}));
  CHECK_FALSE(doomed({0x4000, 0}));  // TERM alone: it is caught, ignored, blocked or traced
  CHECK(doomed({0, 0x400044}));
  CHECK_FALSE(doomed({0, 0x400040}));
}

TEST_CASE("a task's fate is read from the kernel's texts") {
  const std::string status = "Name:\tSigPnd:\t0000000000000100\nState:\tR (running)\n"
                             "SigQ:\t0/7\nSigPnd:\t0000000000004100\nShdPnd:\t0000000000000000\n";
  const std::string stat = "12 (a) S 9 9 (b c) R 1 12 12 0 -1 4194308 10 0 0\n";
  const auto fate = parse_task_fate(status, stat);
  CHECK(fate.pending == 0x4100);
  CHECK(fate.flags == 4194308);
  CHECK_FALSE(doomed(parse_task_fate("", "")));
  CHECK_FALSE(doomed(parse_task_fate("Name:\tx\n", "12 (a) R 1 12")));
  CHECK_FALSE(doomed(parse_task_fate("\nSigPnd:\tzz\n", "12 (a) R 1 12 12 0 -1 x")));
}

TEST_CASE("thawing puts back before it thaws") {
  FakeLeaf leaf;
  leaf.threads[1] = kRaised;
  leaf.freezing = true;
  const auto thawed = thaw(leaf, options());  // withdraw_freeze() checks the levels
  REQUIRE(thawed);
  CHECK(*thawed);
  CHECK(leaf.threads[1] == kClass);
  CHECK_FALSE(*thaw(leaf, options()));
}

TEST_CASE("what a dead caller left is put right") {
  FakeLeaf leaf;
  leaf.threads[1] = kRaised;
  leaf.threads[2] = kClass;
  SECTION("nothing was recorded") {
    CHECK_FALSE(*recover(leaf, options()));
  }
  leaf.record = to_text(BoostRecord{kClass});
  SECTION("before the request") {
    leaf.threads[1] = kClass;
    CHECK(**recover(leaf, options()) == BoostRecovery::PutBack);
    CHECK_FALSE(leaf.freezing);
  }
  SECTION("after the request") {
    leaf.freezing = true;
    CHECK(**recover(leaf, options()) == BoostRecovery::FinishFreezing);
    CHECK(leaf.freezing);
  }
  SECTION("a record that cannot be read") {
    leaf.record = "2 what is this";
    leaf.freezing = true;
    CHECK(**recover(leaf, options()) == BoostRecovery::FinishFreezing);
  }
  if (leaf.record) return;
  for (const auto& [tid, now] : leaf.threads)
    if (leaf.freezing) CHECK(now == kClass);
}

TEST_CASE("the record of a raised job is read back, and nothing else is") {
  const BoostRecord record{{0, 0, -3, false}};
  CHECK(*parse_boost_record(to_text(record)) == record);
  CHECK(*parse_boost_record("1 1 20 0") == BoostRecord{kClass});
  for (const char* text : {"", "1", "1 1 20", "1 1 20 0 ", "1 1 20 0 0", "2 1 20 0", "1 1 120 0",
                           "1 -1 20 0", "1 1 x 0", "1  1 20 0"})
    CHECK_FALSE(parse_boost_record(text));
}

TEST_CASE("pauses grow to 20 ms") {
  CHECK(pause_after(0) == 500'000);
  CHECK(pause_after(1) == 1'000'000);
  CHECK(pause_after(30) == 20'000'000);
}

}  // namespace
}  // namespace tariff::cgroup
