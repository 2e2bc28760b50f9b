// SPDX-License-Identifier: Apache-2.0
#include "agent/event_log.h"

#include <memory>

#include "support/catch.h"

using namespace tariff::agent;

namespace {

/// What a reader gets, as "body" or "body-after-N"; empty: nothing.
std::string take(EventLog::Reader& reader) {
  const auto next = reader.next();
  if (!next) return {};
  const std::string body = next->body.empty() ? "nothing" : next->body;
  return next->missed == 0 ? body : body + "-after-" + std::to_string(next->missed);
}

}  // namespace

TEST_CASE("a reader gets each event from now on once, in order, and is woken for each") {
  EventLog log;
  log.add("a", "before");
  int woken = 0;
  EventLog::Reader reader(log, "", [&] { ++woken; });
  CHECK(take(reader).empty());
  log.add("a", "1");
  log.add("b", "2");
  CHECK(woken == 2);
  CHECK(take(reader) == "1");
  log.add("a", "3");
  CHECK(take(reader) == "2");
  CHECK(take(reader) == "3");
  CHECK(take(reader).empty());
}

TEST_CASE("a reader of one job sleeps through all others, however many, and misses nothing") {
  EventLog log(4);
  int woken = 0;
  EventLog::Reader reader(log, "mine", [&] { ++woken; });
  CHECK(log.is_read("mine"));
  CHECK_FALSE(log.is_read("another"));
  for (int i = 0; i < 100; ++i) log.add("another", "x");
  CHECK(woken == 0);
  log.add("mine", "1");
  log.add("another", "x");
  log.add("mine", "2");
  CHECK(woken == 2);
  CHECK(take(reader) == "1");
  CHECK(take(reader) == "2");
  CHECK(take(reader).empty());
}

TEST_CASE("a reader that falls behind loses the oldest events and is told how many") {
  EventLog log(4);
  EventLog::Reader deaf(log, "", [] {});
  EventLog::Reader of_one(log, "mine", [] {});
  EventLog::Reader of_lost(log, "lost", [] {});
  log.add("lost", "gone");
  log.add("mine", "0");
  for (int i = 1; i <= 3; ++i) log.add("another", std::to_string(i));
  log.add("mine", "4");
  log.add("another", "5");
  CHECK(log.size() == 4);
  CHECK(take(deaf) == "2-after-3");
  CHECK(take(deaf) == "3");
  CHECK(take(of_one) == "4-after-1");
  CHECK(take(of_one).empty());
  CHECK(take(of_lost) == "nothing-after-1");  // told, although nothing follows
  CHECK(take(of_lost).empty());
  log.add("lost", "later");
  CHECK(take(of_lost) == "later");
  CHECK(take(deaf) == "4");
}

TEST_CASE("readers that never read hold one log together, and without a reader there is none") {
  EventLog log(8);
  auto readers = std::make_unique<std::deque<EventLog::Reader>>();
  for (int i = 0; i < 100; ++i) readers->emplace_back(log, "", [] {});
  for (int i = 0; i < 100; ++i) log.add("a", "x");
  CHECK(log.size() == 8);
  readers.reset();
  CHECK(log.size() == 0);
  log.add("a", "x");
  CHECK(log.size() == 0);
  EventLog::Reader late(log, "", [] {});
  log.add("a", "y");
  CHECK(take(late) == "y");
}
