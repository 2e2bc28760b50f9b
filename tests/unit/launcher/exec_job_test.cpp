// SPDX-License-Identifier: Apache-2.0
#include "launcher/exec_job.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.h"

using namespace tariff::launcher;

namespace {

using Words = std::vector<std::string>;

struct Split {
  std::string bytes;  // owns what the rest points at
  std::array<char*, 16> strings{};
  ExecJob job;
  bool done = false;
};

Split split(std::string packet, std::size_t room = 16) {
  Split result;
  result.bytes = std::move(packet);
  result.done = split_exec_job(result.bytes.data(), result.bytes.size(), result.strings.data(),
                               room, result.job);
  return result;
}

Words until_null(char** strings) {
  Words words;
  for (; *strings != nullptr; ++strings) words.emplace_back(*strings);
  return words;
}

}  // namespace

TEST_CASE("a job comes out of its packet as it went in") {
  const Words words = {"tariff-exec", "--", "/bin/echo", "", "a b"};
  const Words environment = {"A=1", "B="};
  auto result = split(exec_job_packet(words, environment));
  REQUIRE(result.done);
  CHECK(result.job.argc == 5);
  CHECK(until_null(result.strings.data()) == words);
  CHECK(until_null(result.strings.data() + 6) == environment);
}

TEST_CASE("a job without environment ends with an empty one") {
  auto result = split(exec_job_packet({"tariff-exec"}, {}));
  REQUIRE(result.done);
  CHECK(result.job.environment[0] == nullptr);
}

TEST_CASE("a packet that is cut off, too long or empty is no job") {
  const std::string whole = exec_job_packet({"tariff-exec", "x"}, {"A=1"});
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(split(whole.substr(0, size)).done);
  CHECK_FALSE(split(whole + "x").done);
  CHECK_FALSE(split(exec_job_packet({}, {"A=1"})).done);
}

TEST_CASE("a packet of more strings than there is room for is no job") {
  const std::string packet = exec_job_packet({"a", "b"}, {"c"});
  CHECK(split(packet, 5).done);
  CHECK_FALSE(split(packet, 4).done);
}
