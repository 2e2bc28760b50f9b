// SPDX-License-Identifier: Apache-2.0
// One table per control file: good contents as two kernels write them, missing keys, garbage.
#include "cgroup/parse.h"

#include "support/catch.h"

using namespace tariff;
using namespace tariff::cgroup;
using namespace std::chrono_literals;

TEST_CASE("cpu.stat gives the CPU time in microseconds", "[cgroup]") {
  const auto good = parse_cpu_stat(
      "usage_usec 2861234\nuser_usec 2800000\nsystem_usec 61234\ncore_sched.force_idle_usec 0\n"
      "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
  REQUIRE(good);
  CHECK(*good == CpuStat{2861234us, 2800000us, 61234us});

  const auto missing = parse_cpu_stat("user_usec 7\n");
  REQUIRE(missing);
  CHECK(*missing == CpuStat{std::nullopt, 7us, std::nullopt});
  CHECK(*parse_cpu_stat("") == CpuStat{});

  for (const char* text : {"usage_usec\n", "usage_usec 12abc\n", "usage_usec -1\n", "usage_usec \n",
                           "usage_usec 18446744073709551615\n", " 5\n", "usage_usec 5 6\n"}) {
    INFO(text);
    const auto result = parse_cpu_stat(text);
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::InvalidArgument);
    CHECK(result.error().message.find("cannot read cpu.stat: ") == 0);
  }
}

TEST_CASE("a pressure file gives averages and exact totals", "[cgroup]") {
  const auto good = parse_pressure(
      "some avg10=44.25 avg60=1.00 avg300=0.10 total=6011234\n"
      "full avg10=0.00 avg60=0.00 avg300=0.00 total=17\n");
  REQUIRE(good);
  CHECK(*good == Pressure{PressureLine{44.25, 1.0, 0.1, 6011234us}, PressureLine{0, 0, 0, 17us}});

  const auto only_some = parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  REQUIRE(only_some);
  CHECK(only_some->some);
  CHECK_FALSE(only_some->full);
  CHECK(*parse_pressure("") == Pressure{});

  for (const char* text :
       {"some\n", "some avg10=1.00 avg60=1.00 avg300=1.00\n", "most avg10=0.00\n",
        "some avg10=x avg60=0.00 avg300=0.00 total=0\n",
        "some avg10=nan avg60=0.00 avg300=0.00 total=0\n",
        "some avg10=101.00 avg60=0.00 avg300=0.00 total=0\n",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1.5\n"}) {
    INFO(text);
    const auto result = parse_pressure(text, "memory.pressure");
    REQUIRE_FALSE(result);
    CHECK(result.error().message.find("cannot read memory.pressure: ") == 0);
  }
}

TEST_CASE("memory.events counts, with what older kernels lack left empty", "[cgroup]") {
  const auto good =
      parse_memory_events("low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
  REQUIRE(good);
  CHECK(*good == MemoryEvents{1, 2, 3, 4, 5, 6});
  const auto old = parse_memory_events("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
  REQUIRE(old);
  CHECK(old->oom_kill == 0u);
  CHECK_FALSE(old->oom_group_kill);
  CHECK_FALSE(parse_memory_events("oom_kill many\n"));
}

TEST_CASE("cgroup.events says populated and frozen", "[cgroup]") {
  CHECK(*parse_cgroup_events("populated 1\nfrozen 0\n") == CgroupEvents{true, false});
  CHECK(*parse_cgroup_events("populated 0\n") == CgroupEvents{false, std::nullopt});
  for (const char* text : {"populated 2\n", "frozen yes\n", "frozen\n"}) {
    INFO(text);
    CHECK_FALSE(parse_cgroup_events(text));
  }
}

TEST_CASE("memory.stat gives the rows we use and skips the others", "[cgroup]") {
  const auto good = parse_memory_stat(
      "anon 314572800\nfile 4096\nkernel 8192\nzswap what ever\nshmem 1\nswapcached 12288\n"
      "inactive_anon 3\nactive_anon 4\npgmajfault 9607\n");
  REQUIRE(good);
  CHECK(good->anon == 314572800u);
  CHECK(good->file == 4096u);
  CHECK(good->swapcached == 12288u);
  CHECK(good->inactive_anon == 3u);
  CHECK(good->pgmajfault == 9607u);
  CHECK_FALSE(good->unevictable);
  CHECK_FALSE(parse_memory_stat("anon 0x10\n"));
  CHECK_FALSE(parse_memory_stat("anon\n"));
}

TEST_CASE("a single number is read whole or not at all", "[cgroup]") {
  CHECK(*parse_number("314572800\n", "memory.current") == 314572800u);
  CHECK(*parse_number("0", "memory.current") == 0u);
  CHECK(*parse_number("18446744073709551615\n", "memory.current") == UINT64_MAX);
  for (const char* text : {"", "\n", "max\n", "12 13\n", "1k\n", "-1\n",
                           "18446744073709551616\n"}) {
    INFO(text);
    const auto result = parse_number(text, "memory.current");
    REQUIRE_FALSE(result);
    CHECK(result.error().message.find("memory.current") != std::string::npos);
  }
}

TEST_CASE("max is no limit, not a number", "[cgroup]") {
  const auto none = parse_limit("max\n", "memory.max");
  REQUIRE(none);
  CHECK_FALSE(none->has_value());
  const auto some = parse_limit("4096\n", "memory.max");
  REQUIRE(some);
  CHECK(*some == 4096u);
  const auto zero = parse_limit("0\n", "memory.swap.max");
  REQUIRE(zero);
  CHECK(*zero == 0u);
  for (const char* text : {"", "maximum\n", "max max\n", "4096 max\n"}) {
    INFO(text);
    CHECK_FALSE(parse_limit(text, "memory.max"));
  }
}

TEST_CASE("cgroup.procs is a list of ids", "[cgroup]") {
  CHECK(*parse_ids("12\n13\n4194304\n") == std::vector<int>{12, 13, 4194304});
  CHECK(parse_ids("")->empty());
  CHECK(*parse_ids("0\n") == std::vector<int>{0});
  CHECK_FALSE(parse_ids("12\nx\n"));
  CHECK_FALSE(parse_ids("-5\n"));
}

TEST_CASE("controllers are words", "[cgroup]") {
  CHECK(parse_controllers("cpuset cpu io memory pids\n") ==
        std::vector<std::string>{"cpuset", "cpu", "io", "memory", "pids"});
  CHECK(parse_controllers("\n").empty());
  CHECK(parse_controllers("").empty());
}

TEST_CASE("/proc/meminfo is in bytes", "[cgroup]") {
  const auto good = parse_meminfo(
      "MemTotal:        2028340 kB\nMemFree:          100 kB\nMemAvailable:    1500000 kB\n"
      "SwapTotal:       1048572 kB\nSwapFree:              0 kB\nHugePages_Total:       0\n");
  REQUIRE(good);
  CHECK(*good == MemInfo{2028340ull * 1024, 102400u, 1500000ull * 1024, 1048572ull * 1024, 0u});
  CHECK(*parse_meminfo("HugePages_Total:       0\n") == MemInfo{});
  for (const char* text : {"MemTotal: 12\n", "MemTotal: 12 MB\n", "MemTotal: kB\n", "MemTotal\n",
                           "MemTotal: 18446744073709551615 kB\n"}) {
    INFO(text);
    CHECK_FALSE(parse_meminfo(text));
  }
}

TEST_CASE("/proc/PID/stat survives any command name", "[cgroup]") {
  const std::string tail =
      " S 1 812 812 0 -1 4194560 120 0 3 0 42 17 0 0 -11 0 1 0 5123 8192000 312 "
      "18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 60 1 0 0 0 0 0\n";
  for (const char* command : {"tariffd", "a b", "a) R 1 (b", "((", "", "x\ny"}) {
    INFO(command);
    const auto result = parse_process_stat("812 (" + std::string(command) + ")" + tail);
    REQUIRE(result);
    CHECK(*result == ProcessStat{812, command, 'S', 1, 42, 17, 5123, 60, 1, 4194560});
  }
  for (const char* text : {"", "812\n", "812 tariffd S 1\n", "812 (tariffd) S 1 2\n",
                           "x (tariffd) S 1 812\n", ") 1 ("}) {
    INFO(text);
    CHECK_FALSE(parse_process_stat(text));
  }
  std::string wrong = "812 (tariffd)" + tail;
  wrong.replace(wrong.find(" 42 "), 4, " 4x ");
  CHECK_FALSE(parse_process_stat(wrong));
}

TEST_CASE("/proc/PID/cgroup gives the path in cgroup v2", "[cgroup]") {
  CHECK(*parse_process_cgroup("0::/tariff.slice/tariffd.service\n") ==
        "/tariff.slice/tariffd.service");
  CHECK(*parse_process_cgroup("4:memory:/x\n1:name=systemd:/y\n0::/\n") == "/");
  const auto only_v1 = parse_process_cgroup("4:memory:/x\n");
  REQUIRE_FALSE(only_v1);
  CHECK(only_v1.error().kind == ErrorKind::NotFound);
  CHECK(parse_process_cgroup("what\n").error().kind == ErrorKind::InvalidArgument);
}
