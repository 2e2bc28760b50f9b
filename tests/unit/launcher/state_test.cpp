// SPDX-License-Identifier: Apache-2.0
// What goes from one image of the launcher to the next arrives as it was.
#include "launcher/state.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "launcher/protocol_version.h"
#include "launcher/reserved_fds.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::launcher;

namespace {

JobSpec spec(const std::string& id) {
  JobSpec spec;
  spec.id = id;
  spec.function = "f";
  spec.payload_digest = "d";
  spec.class_run = "standard";
  spec.accepted = 1;
  spec.deadline = 900'000'000'000;
  spec.timeout = 50'000'000'000;
  spec.cpu_timeout = 30'000'000'000;
  spec.memory_max = 1 << 20;
  spec.result_max = 100;
  spec.price_millionths = 7;
  return spec;
}

JobTable::Settings settings() {
  JobTable::Settings settings;
  settings.uid_first = 1000;
  settings.uid_count = 10;
  return settings;
}

/// The table after its way through the messages, as Jobs and Supervisor do it.
JobTable upgraded(const JobTable& table) {
  JobTable next;
  table.for_each_row([&](const JobTable::Job& job) {
    state::Job message;
    fill(message, job);
    state::Job arrived;
    REQUIRE(arrived.ParseFromString(message.SerializeAsString()));
    next.restore(table_job_of(arrived));
  });
  for (const auto& id : table.dropped()) next.restore_dropped(id);
  next.configure(settings());
  next.restore_uids({table.uids().used().begin(), table.uids().used().end()}, table.uids().next());
  return next;
}

state::Entry head(std::uint32_t version) {
  state::Entry entry;
  entry.mutable_head()->set_version(version);
  return entry;
}

std::string objection_to(const std::vector<state::Entry>& entries, std::size_t cut = 0) {
  auto writer = StateWriter::start();
  REQUIRE(writer);
  for (const auto& entry : entries) writer->add(entry);
  if (cut != 0) {
    const off_t size = ::lseek(writer->file().get(), 0, SEEK_END);
    REQUIRE(::ftruncate(writer->file().get(), size - static_cast<off_t>(cut)) == 0);
  }
  REQUIRE(writer->finish());
  const auto read = read_state(writer->file().get(), [](const state::Entry&) {});
  return read ? "" : read.error().text();
}

}  // namespace

TEST_CASE("a job table goes on as it was after an upgrade") {
  JobTable table;
  table.configure(settings());
  for (const char* id : {"waits", "runs", "ends", "ended", "dropped"}) {
    REQUIRE(table.admit(spec(id)) == Admission::New);
    table.cloned(id, 10, std::string("class-1-bulk/j-") + id, 10);
  }
  table.first_ran("runs", 20);
  table.memory_sample("runs", 4096, 30'000);
  table.set_frozen("runs", true, 1'000'000);
  REQUIRE(table.request_end("ends", EndReason::Cancelled, 40));
  REQUIRE(table.take_due(50).size() == 1);  // its TERM
  for (const char* id : {"ended", "dropped"}) {
    table.main_exited(id, MainExit{false, 3}, 60);
    table.emptied(id, JobUsage{5, 6, 7, 0, 8}, 70);
  }
  table.acknowledge("dropped", 80);
  REQUIRE(table.take_due(80).size() == 1);

  JobTable next = upgraded(table);
  CHECK(next.size() == 4);
  CHECK(next.next_due() == table.next_due());
  CHECK(next.admit(spec("dropped")) == Admission::Expired);
  CHECK(next.admit(spec("ended")) == Admission::Repeated);
  const JobRecord& ended = *next.find("ended");
  CHECK(ended.state == JobState::Ended);
  CHECK(ended.exit_status == 3);
  CHECK(ended.cpu_us == 5);
  CHECK(ended.result_bytes == 8);
  CHECK(ended.spec.price_millionths == 7);
  CHECK(next.find("runs")->spec.result_max == 100);

  // A uid in use is not given again, and the round goes on where it was.
  REQUIRE(table.admit(spec("new")) == Admission::New);
  REQUIRE(next.admit(spec("new")) == Admission::New);
  CHECK(next.find("new")->uid == table.find("new")->uid);

  // What falls due does so at the same moments, frozen time included.
  for (JobTable* one : {&table, &next}) one->set_frozen("runs", false, 5'001'000'000);
  for (const Nanos now : {2'100'000'000LL, 40'000'000'000LL, 60'000'000'000LL, 901'000'000'000LL}) {
    auto left = table.take_due(now);
    auto right = next.take_due(now);
    const auto by_id = [](const Order& a, const Order& b) { return a.id < b.id; };
    std::sort(left.begin(), left.end(), by_id);
    std::sort(right.begin(), right.end(), by_id);
    CHECK(left == right);
  }
}

TEST_CASE("a state is read back entry by entry") {
  auto writer = StateWriter::start();
  REQUIRE(writer);
  writer->add(head(kState.newest));
  state::Entry entry;
  entry.set_dropped_id("one");
  writer->add(entry);
  entry.set_journal_entry(std::string("\0\n", 2));
  writer->add(entry);
  REQUIRE(writer->finish());
  CHECK((::fcntl(writer->file().get(), F_GET_SEALS) & F_SEAL_WRITE) != 0);
  std::vector<state::Entry> seen;
  REQUIRE(read_state(writer->file().get(), [&](const state::Entry& one) { seen.push_back(one); }));
  REQUIRE(seen.size() == 3);
  CHECK(seen[1].dropped_id() == "one");
  CHECK(seen[2].journal_entry() == std::string("\0\n", 2));
}

TEST_CASE("a state that cannot be taken over is refused with the reason") {
  state::Entry dropped;
  dropped.set_dropped_id("one");
  CHECK(objection_to({head(kState.newest), dropped}).empty());
  CHECK(objection_to({head(kState.newest + 1)}).find("it is of version 2") != std::string::npos);
  CHECK(objection_to({head(0)}).find("it is of version 0") != std::string::npos);
  CHECK(objection_to({}).find("cut off") != std::string::npos);
  CHECK(objection_to({dropped}).find("its head") != std::string::npos);
  CHECK(objection_to({head(kState.newest), head(kState.newest)}).find("its head") !=
        std::string::npos);
  CHECK(objection_to({head(kState.newest), {}}).find("unknown kind") != std::string::npos);
  for (std::size_t cut = 1; cut < 9; ++cut)
    CHECK(objection_to({head(kState.newest), dropped}, cut).find("cut off") != std::string::npos);
}

TEST_CASE("descriptors are inherited for the execve only, and stay out of the reserved numbers") {
  auto writer = StateWriter::start();
  REQUIRE(writer);
  auto pipe = make_pipe();
  REQUIRE(pipe);
  const auto number = writer->hand_over(pipe->read);
  CHECK(writer->hand_over(Fd()) == 0);
  REQUIRE(writer->finish());
  writer->set_inherited(true);
  CHECK(::fcntl(pipe->read.get(), F_GETFD) == 0);
  CHECK(::fcntl(writer->file().get(), F_GETFD) == 0);
  CHECK(::fcntl(pipe->write.get(), F_GETFD) == FD_CLOEXEC);
  writer->set_inherited(false);
  CHECK(::fcntl(pipe->read.get(), F_GETFD) == FD_CLOEXEC);

  REQUIRE(number < static_cast<unsigned>(kReservedFds));
  const Fd low = std::move(pipe->read);
  const Fd taken = take_over(number);
  CHECK(taken.get() >= kReservedFds);
  CHECK(::fcntl(taken.get(), F_GETFD) == FD_CLOEXEC);
  CHECK(::fcntl(low.get(), F_GETFD) == FD_CLOEXEC);  // occupied, by something else
  pipe->write.reset();
  char byte = 0;
  CHECK(::read(taken.get(), &byte, 1) == 0);  // still the pipe
  CHECK(!take_over(0));
}
