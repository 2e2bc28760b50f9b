// SPDX-License-Identifier: Apache-2.0
#include "cgroup/cpu_set.h"

#include "support/catch.h"

using namespace tariff;
using namespace tariff::cgroup;

TEST_CASE("a CPU list is read as the kernel writes it and written the same way", "[cgroup]") {
  const std::pair<const char*, CpuSet> good[] = {
      {"", {}},           {"0", {0}},          {"0-3", {0, 1, 2, 3}}, {"0,2-3", {0, 2, 3}},
      {"0-1,7", {0, 1, 7}}, {"63-65", {63, 64, 65}}};
  for (const auto& [text, cpus] : good) {
    INFO(text);
    const auto parsed = parse_cpu_list(std::string(text) + "\n");
    REQUIRE(parsed);
    CHECK(*parsed == cpus);
    CHECK(cpu_list(cpus) == text);
  }
  CHECK(*parse_cpu_list("3,1,2") == CpuSet{1, 2, 3});  // order and overlap do not matter
  CHECK(*parse_cpu_list("0-2,1-3") == CpuSet{0, 1, 2, 3});
}

TEST_CASE("what is no CPU list is refused with the file's name", "[cgroup]") {
  for (const char* text : {"x", "0-", "-1", "3-1", "0,,1", "0;1", "0-4000000000", "0 1", ",",
                           "99999999999999999999", "16384"}) {
    INFO(text);
    const auto parsed = parse_cpu_list(text, "cpuset.cpus");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message.find("cannot read cpuset.cpus: ") == 0);
  }
}

TEST_CASE("a CPU mask is read and written in words of 32 CPUs", "[cgroup]") {
  const std::pair<const char*, CpuSet> good[] = {
      {"0", {}}, {"1", {0}}, {"d", {0, 2, 3}}, {"1,00000000", {32}}, {"2,80000001", {0, 31, 33}}};
  for (const auto& [text, cpus] : good) {
    INFO(text);
    REQUIRE(parse_cpu_mask(text));
    CHECK(*parse_cpu_mask(text) == cpus);
    CHECK(cpu_mask(cpus) == text);
  }
  CHECK(*parse_cpu_mask("00000000,00000003\n") == CpuSet{0, 1});
  for (const char* text : {"", "g", "1,", "100000000", "0x1"}) {
    INFO(text);
    CHECK_FALSE(parse_cpu_mask(text));
  }
}

TEST_CASE("a bitmap of systemd's has the lowest CPU in the lowest bit of the first byte",
          "[cgroup]") {
  CHECK(cpu_bitmap({}).empty());
  CHECK(cpu_bitmap({0, 2, 3}) == std::vector<std::uint8_t>{0x0d});
  CHECK(cpu_bitmap({9}) == std::vector<std::uint8_t>{0, 2});
  for (const CpuSet& cpus : {CpuSet{}, CpuSet{0}, CpuSet{1, 8, 15, 64}})
    CHECK(cpus_of_bitmap(cpu_bitmap(cpus)) == cpus);
  CHECK(cpus_of_bitmap({0x01, 0, 0, 0, 0, 0, 0, 0}) == CpuSet{0});  // padded to a long, by 252
}

TEST_CASE("sets are cut and subtracted", "[cgroup]") {
  CHECK(common({0, 1, 2}, {1, 2, 3}) == CpuSet{1, 2});
  CHECK(without({0, 1, 2}, {1, 3}) == CpuSet{0, 2});
}
