// SPDX-License-Identifier: Apache-2.0
#include "launcher/job_table.h"

#include "support/catch.h"

using namespace tariff::launcher;

namespace {

constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kSecond = 1'000'000'000;

JobSpec spec(const std::string& id) {
  JobSpec result;
  result.id = id;
  result.function = "hello";
  result.class_run = "standard";
  result.payload_digest = "d1";
  result.result_max = 1'000;
  return result;
}

JobTable table_with(JobTable::Settings settings = {}) {
  settings.uid_first = 5'000;
  if (settings.uid_count == 0) settings.uid_count = 100;
  JobTable table;
  table.configure(settings);
  return table;
}

/// Admitted, cloned at 1 s, first ran at 2 s.
void run(JobTable& table, const JobSpec& wanted) {
  REQUIRE(table.admit(wanted) == Admission::New);
  table.cloned(wanted.id, 77, "class/leaf", kSecond);
  table.first_ran(wanted.id, 2 * kSecond);
}

void end(JobTable& table, const std::string& id, Nanos at, JobUsage usage = {}) {
  table.main_exited(id, MainExit{false, 0}, at);
  table.emptied(id, usage, at);
}

const std::vector<Order> kNothing;

}  // namespace

TEST_CASE("job ids name files and log fields, so they are plain") {
  CHECK(valid_job_id("a"));
  CHECK(valid_job_id("job-1_2.x"));
  CHECK(valid_job_id(std::string(64, 'a')));
  const auto bad = GENERATE(as<std::string>{}, "", ".", ".a", "a/b", "a b", "a\n", "\xc3\xa4",
                            std::string(65, 'a'), std::string("a\0b", 3));
  CHECK_FALSE(valid_job_id(bad));
}

TEST_CASE("a job goes from launching to ended and keeps every time") {
  auto table = table_with();
  run(table, spec("a"));
  CHECK(table.find("a")->state == JobState::Running);
  table.initialised("a", InitialisedBy::Marker, 3 * kSecond);
  table.main_exited("a", MainExit{false, 3}, 4 * kSecond);
  CHECK(table.find("a")->state == JobState::Ending);
  JobUsage usage;
  usage.cpu_us = 55;
  usage.cpu_pressure_us = 6;
  usage.memory_peak = 4'096;
  usage.result_offset = 12;
  table.emptied("a", usage, 5 * kSecond);
  const JobRecord& record = *table.find("a");
  CHECK(record.state == JobState::Ended);
  CHECK(record.reason == EndReason::Exited);
  CHECK(record.exit_status == 3);
  CHECK(record.launched == kSecond);
  CHECK(record.first_ran == 2 * kSecond);
  CHECK(record.initialised == 3 * kSecond);
  CHECK(record.main_exited == 4 * kSecond);
  CHECK(record.ended == 5 * kSecond);
  CHECK(record.cpu_us == 55);
  CHECK(record.cpu_pressure_us == 6);
  CHECK(record.result_bytes == 12);
  CHECK(record.pid == 77);
  CHECK(record.leaf == "class/leaf");
}

TEST_CASE("a launch may be repeated and never runs twice") {
  auto table = table_with();
  run(table, spec("a"));
  CHECK(table.admit(spec("a")) == Admission::Repeated);

  auto other = spec("a");
  SECTION("another function under the same id is an error") { other.function = "resize"; }
  SECTION("another payload under the same id is an error") { other.payload_digest = "d2"; }
  CHECK(table.admit(other) == Admission::IdInUse);
}

TEST_CASE("a newer version of the same function is still the same job") {
  auto table = table_with();
  run(table, spec("a"));
  auto newer = spec("a");
  newer.function_version = "v2";
  CHECK(table.admit(newer) == Admission::Repeated);
}

TEST_CASE("a launch that failed frees its id but not its uid") {
  auto table = table_with({.uid_count = 1});
  REQUIRE(table.admit(spec("a")) == Admission::New);
  const auto uid = table.find("a")->uid;
  table.launch_failed("a");
  CHECK(table.find("a") == nullptr);
  CHECK(table.admit(spec("a")) == Admission::NoUid);
  table.free_uid(uid);
  CHECK(table.admit(spec("a")) == Admission::New);
}

TEST_CASE("uids go round and are not given again before their leaf is removed") {
  auto table = table_with({.uid_count = 3});
  run(table, spec("a"));
  const auto first = table.find("a")->uid;
  end(table, "a", 3 * kSecond);
  table.free_uid(first);
  run(table, spec("b"));
  run(table, spec("c"));
  run(table, spec("d"));
  CHECK(table.find("b")->uid != first);
  CHECK(table.find("c")->uid != first);
  CHECK(table.find("d")->uid == first);
  CHECK(table.admit(spec("e")) == Admission::NoUid);
  end(table, "b", 4 * kSecond);  // ended, but its leaf is not removed
  CHECK(table.admit(spec("e")) == Admission::NoUid);
}

TEST_CASE("the timeout counts from first ran") {
  auto table = table_with();
  auto wanted = spec("a");
  wanted.timeout = kSecond;
  REQUIRE(table.admit(wanted) == Admission::New);
  table.cloned("a", 1, "", 0);
  CHECK(table.take_due(100 * kSecond).empty());  // waiting for a CPU costs nothing
  table.first_ran("a", 100 * kSecond);
  CHECK(table.next_due() == 101 * kSecond);
  CHECK(table.take_due(101 * kSecond - 1).empty());
  CHECK(table.take_due(101 * kSecond) == std::vector<Order>{{Order::Kind::Terminate, "a"}});
  CHECK(table.find("a")->reason == EndReason::Timeout);
  CHECK(table.find("a")->state == JobState::Ending);
}

TEST_CASE("time frozen by us is not run time") {
  auto table = table_with();
  auto wanted = spec("a");
  wanted.timeout = 10 * kSecond;
  REQUIRE(table.admit(wanted) == Admission::New);
  table.cloned("a", 1, "", 0);
  table.set_frozen("a", true, 0);
  table.set_frozen("a", false, kSecond);  // before it ran: of no account
  table.first_ran("a", 2 * kSecond);
  table.set_frozen("a", true, 5 * kSecond);
  table.set_frozen("a", true, 6 * kSecond);  // said twice
  CHECK_FALSE(table.next_due().has_value());
  CHECK(table.take_due(1'000 * kSecond).empty());
  table.set_frozen("a", false, 105 * kSecond);
  CHECK(table.next_due() == 112 * kSecond);
  CHECK(table.find("a")->frozen == 101 * kSecond);
}

TEST_CASE("a deadline is a moment, whatever the job does") {
  auto table = table_with();
  auto wanted = spec("a");
  wanted.deadline = 10 * kSecond;
  REQUIRE(table.admit(wanted) == Admission::New);
  table.cloned("a", 1, "", 0);
  table.set_frozen("a", true, kSecond);
  CHECK(table.next_due() == 10 * kSecond);
  CHECK(table.take_due(10 * kSecond).size() == 1);
  CHECK(table.find("a")->reason == EndReason::Deadline);
}

TEST_CASE("CPU time is looked at when it can have been used up, and at least 10 ms apart") {
  auto table = table_with({.cpus = 2});
  auto wanted = spec("a");
  wanted.cpu_timeout = kSecond;
  run(table, wanted);
  CHECK(table.next_due() == 2 * kSecond + 500 * kMillisecond);
  const std::vector<Order> look{{Order::Kind::LookAtCpu, "a"}};
  CHECK(table.take_due(2'500 * kMillisecond) == look);
  CHECK_FALSE(table.next_due().has_value());  // until the answer is there
  table.cpu_used("a", 600'000, 2'500 * kMillisecond);
  CHECK(table.next_due() == 2'700 * kMillisecond);
  table.cpu_used("a", 999'999, 2'700 * kMillisecond);
  CHECK(table.next_due() == 2'710 * kMillisecond);
  table.cpu_used("a", 1'000'000, 2'710 * kMillisecond);
  CHECK(table.find("a")->reason == EndReason::CpuTimeout);
  CHECK(table.take_due(2'710 * kMillisecond) ==
        std::vector<Order>{{Order::Kind::Terminate, "a"}});
}

TEST_CASE("KILL follows TERM after the grace time, and again until the leaf is empty") {
  auto table = table_with({.kill_grace = 2 * kSecond});
  run(table, spec("a"));
  CHECK(table.request_end("a", EndReason::Cancelled, 10 * kSecond));
  CHECK(table.take_due(10 * kSecond) == std::vector<Order>{{Order::Kind::Terminate, "a"}});
  CHECK(table.take_due(11 * kSecond) == kNothing);
  CHECK(table.next_due() == 12 * kSecond);
  const std::vector<Order> kill{{Order::Kind::Kill, "a"}};
  CHECK(table.take_due(12 * kSecond) == kill);
  CHECK(table.take_due(12 * kSecond) == kNothing);
  CHECK(table.take_due(13 * kSecond) == kill);
  table.main_exited("a", MainExit{true, 9}, 13 * kSecond);
  CHECK(table.take_due(14 * kSecond) == kill);
  table.emptied("a", {}, 15 * kSecond);
  CHECK(table.take_due(16 * kSecond) == kNothing);
}

TEST_CASE("a job that ends in its grace time is not killed") {
  auto table = table_with();
  run(table, spec("a"));
  table.request_end("a", EndReason::Cancelled, 10 * kSecond);
  table.take_due(10 * kSecond);
  table.main_exited("a", MainExit{true, 15}, 11 * kSecond);
  CHECK(table.take_due(11 * kSecond) == kNothing);
  table.emptied("a", {}, 11 * kSecond);
  CHECK(table.find("a")->reason == EndReason::Cancelled);
  CHECK(table.find("a")->signal == 15);
}

TEST_CASE("a job killed for memory gets no grace") {
  auto table = table_with();
  run(table, spec("a"));
  table.request_end("a", EndReason::KilledForMemory, 10 * kSecond);
  CHECK(table.take_due(10 * kSecond) == std::vector<Order>{{Order::Kind::Kill, "a"}});
}

TEST_CASE("an end asked for while the clone is on its way comes right after it") {
  auto table = table_with();
  REQUIRE(table.admit(spec("a")) == Admission::New);
  CHECK(table.request_end("a", EndReason::Cancelled, 0));
  CHECK(table.find("a")->state == JobState::Launching);
  CHECK(table.take_due(kSecond).empty());
  table.cloned("a", 1, "", kSecond);
  CHECK(table.find("a")->state == JobState::Ending);
  CHECK(table.take_due(kSecond) == std::vector<Order>{{Order::Kind::Terminate, "a"}});
}

TEST_CASE("the first reason stays") {
  auto table = table_with();
  run(table, spec("a"));
  table.request_end("a", EndReason::Timeout, 3 * kSecond);
  CHECK(table.request_end("a", EndReason::Cancelled, 4 * kSecond));
  CHECK(table.find("a")->reason == EndReason::Timeout);
  table.main_exited("a", MainExit{false, 0}, 5 * kSecond);
  CHECK_FALSE(table.request_end("a", EndReason::Cancelled, 5 * kSecond));
  table.emptied("a", {}, 6 * kSecond);
  CHECK_FALSE(table.request_end("a", EndReason::Cancelled, 7 * kSecond));
  CHECK(table.find("a")->reason == EndReason::Timeout);
}

TEST_CASE("a handler that cannot be executed has its own reason") {
  auto table = table_with();
  run(table, spec("a"));
  table.start_failed("a", EndReason::ExecFailed, "cannot execute /x");
  end(table, "a", 3 * kSecond);
  CHECK(table.find("a")->reason == EndReason::ExecFailed);
  CHECK(table.find("a")->message == "cannot execute /x");
}

TEST_CASE("what the kernel did to a job decides its reason") {
  auto table = table_with();
  auto wanted = spec("a");
  JobUsage usage;
  MainExit exit{true, 9};
  EndReason expected = EndReason::Signaled;
  SECTION("killed by a signal and nothing else") {}
  SECTION("over its own memory_max") {
    wanted.memory_max = 1 << 20;
    usage.oom_kills = 1;
    expected = EndReason::OutOfMemory;
  }
  SECTION("the machine ran out of memory") {
    usage.oom_kills = 1;
    expected = EndReason::KilledForMemory;
  }
  SECTION("a child was killed for memory, the job went on") {
    usage.oom_kills = 1;
    exit = {false, 0};
    expected = EndReason::Exited;
  }
  SECTION("wrote one byte too many") {
    exit = {false, 0};
    usage.result_offset = 1'001;
    expected = EndReason::ResultTooLarge;
  }
  SECTION("wrote all it may") {
    exit = {false, 0};
    usage.result_offset = 1'000;
    expected = EndReason::Exited;
  }
  run(table, wanted);
  table.main_exited("a", exit, 3 * kSecond);
  table.emptied("a", usage, 3 * kSecond);
  CHECK(table.find("a")->reason == expected);
  if (expected == EndReason::ResultTooLarge) CHECK(table.find("a")->result_bytes == 0);
}

TEST_CASE("memory used is the area under the samples") {
  auto table = table_with();
  run(table, spec("a"));  // launched at 1 s
  table.memory_sample("a", 100, 2 * kSecond);
  table.memory_sample("a", 301, 4 * kSecond);
  end(table, "a", 5 * kSecond);
  const JobRecord& record = *table.find("a");
  // 100 for 1 s, (100 + 301) / 2 for 2 s, 301 for 1 s; in byte-microseconds
  CHECK(record.memory_used == 100'000'000u + 2u * 200'000'000u + 301'000'000u);
  CHECK_FALSE(record.memory_estimated);
}

TEST_CASE("a sample is steady if it differs little from the one before") {
  auto table = table_with();
  run(table, spec("a"));
  CHECK_FALSE(table.memory_sample("a", 1'600, 2 * kSecond));  // nothing before
  CHECK(table.memory_sample("a", 1'600, 3 * kSecond));
  CHECK(table.memory_sample("a", 1'500, 4 * kSecond));
  CHECK_FALSE(table.memory_sample("a", 1'600, 5 * kSecond));  // more than a sixteenth of 1,500
  CHECK_FALSE(table.memory_sample("a", 0, 6 * kSecond));
  CHECK(table.memory_sample("a", 0, 7 * kSecond));
}

TEST_CASE("a job too short for a sample is estimated by its peak") {
  auto table = table_with();
  run(table, spec("a"));
  JobUsage usage;
  usage.memory_peak = 1'000;
  end(table, "a", 3 * kSecond, usage);
  CHECK(table.find("a")->memory_used == 2'000'000'000u);
  CHECK(table.find("a")->memory_estimated);
}

TEST_CASE("the marker wins over the first read of stdin and the first of each stays") {
  auto table = table_with();
  run(table, spec("a"));
  table.initialised("a", InitialisedBy::FirstRead, 3);
  table.initialised("a", InitialisedBy::FirstRead, 4);
  CHECK(table.find("a")->initialised == 3);
  table.initialised("a", InitialisedBy::Marker, 5);
  table.initialised("a", InitialisedBy::FirstRead, 6);
  table.initialised("a", InitialisedBy::Marker, 7);
  CHECK(table.find("a")->initialised == 5);
  CHECK(table.find("a")->initialised_by == InitialisedBy::Marker);
}

TEST_CASE("an acknowledged record is dropped and its id expires") {
  auto table = table_with();
  run(table, spec("a"));
  end(table, "a", 3 * kSecond);
  CHECK(table.take_due(4 * kSecond).empty());
  table.acknowledge("a", 4 * kSecond);
  CHECK(table.take_due(4 * kSecond) == std::vector<Order>{{Order::Kind::Drop, "a"}});
  CHECK(table.find("a") == nullptr);
  CHECK(table.expired("a"));
  CHECK_FALSE(table.expired("b"));
  CHECK(table.admit(spec("a")) == Admission::Expired);
  CHECK(table.take_due(1'000 * kSecond).empty());
}

TEST_CASE("an unacknowledged record is kept for the retention time") {
  auto table = table_with({.retention = 100 * kSecond});
  run(table, spec("a"));
  end(table, "a", 3 * kSecond);
  CHECK(table.next_due() == 103 * kSecond);
  CHECK(table.take_due(103 * kSecond).size() == 1);
  CHECK(table.expired("a"));
}

TEST_CASE("over the total bound the oldest ended go first and the newest stays") {
  auto table = table_with({.retention_bytes = 6'000});
  JobUsage usage;
  usage.result_offset = 1'000;  // with the record about 2,000 bytes each
  for (const char* id : {"a", "b", "c", "d", "e"}) run(table, spec(id));
  end(table, "b", 3 * kSecond, usage);
  end(table, "a", 4 * kSecond, usage);
  CHECK(table.take_due(4 * kSecond).empty());
  end(table, "c", 5 * kSecond, usage);
  CHECK(table.take_due(5 * kSecond) == std::vector<Order>{{Order::Kind::Drop, "b"}});
  end(table, "d", 6 * kSecond, usage);
  CHECK(table.take_due(6 * kSecond) == std::vector<Order>{{Order::Kind::Drop, "a"}});
  table.acknowledge("c", 7 * kSecond);
  CHECK(table.take_due(7 * kSecond).size() == 1);
  end(table, "e", 8 * kSecond, usage);
  CHECK(table.take_due(8 * kSecond).empty());
  CHECK(table.size() == 2);

  auto tiny = table_with({.retention_bytes = 1});
  run(tiny, spec("x"));
  end(tiny, "x", 3 * kSecond, usage);
  CHECK(tiny.take_due(3 * kSecond).empty());
}

TEST_CASE("a bounded number of dropped ids is remembered") {
  auto table = table_with({.uid_count = 2});
  for (int number = 0; number <= 65'536; ++number) {
    const std::string id = std::to_string(number);
    REQUIRE(table.admit(spec(id)) == Admission::New);
    table.cloned(id, 1, "", 0);
    const auto uid = table.find(id)->uid;
    end(table, id, kSecond);
    table.acknowledge(id, kSecond);
    table.free_uid(uid);
    (void)table.take_due(kSecond);
  }
  CHECK_FALSE(table.expired("0"));
  CHECK(table.expired("1"));
  CHECK(table.expired("65536"));
}

TEST_CASE("a job of a dead launcher ends as lost and holds its uid") {
  auto table = table_with({.uid_count = 2});
  JobRecord record;
  record.spec = spec("a");
  record.uid = 5'000;
  table.restore_lost(record, 7 * kSecond);
  CHECK(table.admit(spec("a")) == Admission::Repeated);
  CHECK(table.find("a")->state == JobState::Ending);
  CHECK_FALSE(table.request_end("a", EndReason::Cancelled, 7 * kSecond));
  run(table, spec("b"));
  CHECK(table.find("b")->uid == 5'001);
  CHECK(table.admit(spec("c")) == Admission::NoUid);
  JobUsage usage;
  usage.oom_kills = 1;
  usage.memory_peak = 10;
  table.emptied("a", usage, 8 * kSecond);
  CHECK(table.find("a")->reason == EndReason::LauncherLost);
  CHECK(table.find("a")->memory_used == 10'000'000u);  // since it was found: nobody knows more
}
