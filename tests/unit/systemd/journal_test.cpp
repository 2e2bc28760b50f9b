// SPDX-License-Identifier: Apache-2.0
#include "systemd/journal_sink.h"

#include <vector>

#include "datagram_server.h"
#include "support/catch.h"

using namespace tariff;
using systemd::Journal;
using systemd::JournalField;

TEST_CASE("an entry is one datagram of fields", "[systemd]") {
  DatagramServer journald;
  const auto journal = Journal::open(journald.path());
  REQUIRE(journal);
  CHECK(journal->send({{"MESSAGE", "job ended"}, {"JOB_ID", "7"}, {"EMPTY", ""}}));
  CHECK(journald.receive() == "MESSAGE=job ended\nJOB_ID=7\nEMPTY=\n");

  CHECK(journal->send({{"MESSAGE", "two\nlines"}}));
  CHECK(journald.receive() == std::string("MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n", 26));
}

TEST_CASE("long values are cut, so that any entry fits a datagram", "[systemd]") {
  DatagramServer journald;
  const auto journal = Journal::open(journald.path());
  const std::string flood(10 * Journal::kMaxValueBytes, 'x');
  CHECK(journal->send({{"MESSAGE", flood}}));
  CHECK(journald.receive().size() == Journal::kMaxValueBytes + std::string("MESSAGE=\n").size());
}

TEST_CASE("fields that journald would drop are refused", "[systemd]") {
  const auto journal = Journal::open("/nonexistent/socket");
  for (const char* name : {"", "message", "_PID", "A=B", "A B", "1A", "A\nB"}) {
    INFO(name);
    const auto result = journal->send({{name, "x"}});
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::InvalidArgument);
  }
  CHECK_FALSE(journal->send({}));
  const std::vector<JournalField> many(Journal::kMaxFields + 1, JournalField{"A", "x"});
  CHECK(journal->send(many).error().kind == ErrorKind::InvalidArgument);
}

TEST_CASE("a journald that is away or does not read blocks nobody", "[systemd]") {
  const auto away = Journal::open("/nonexistent/socket");
  CHECK(away->send({{"MESSAGE", "x"}}).error().kind == ErrorKind::Unavailable);

  DatagramServer journald;
  const auto journal = Journal::open(journald.path());
  Status status = ok();
  int sent = 0;
  for (; status && sent < 100'000; ++sent) status = journal->send({{"MESSAGE", "x"}});
  REQUIRE_FALSE(status);
  CHECK(status.error().kind == ErrorKind::ResourceExhausted);
  CHECK_FALSE(journald.receive().empty());
  CHECK(journal->send({{"MESSAGE", "again"}}));
}
