// SPDX-License-Identifier: Apache-2.0
#include "launcher/exec_options.h"

#include <string>
#include <vector>

#include "support/catch.h"

using namespace tariff::launcher;

namespace {

struct Parsed {
  bool done = false;
  ExecOptions options;
  std::string wrong;
  std::vector<std::string> words;  // owns what options point at
};

Parsed parse(std::vector<std::string> arguments) {
  Parsed parsed;
  parsed.words = std::move(arguments);
  std::vector<char*> argv;
  for (auto& word : parsed.words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string_view wrong;
  parsed.done = parse_exec_options(static_cast<int>(argv.size() - 1), argv.data(),
                                   parsed.options, wrong);
  parsed.wrong = wrong;
  parsed.options.argv = nullptr;  // the vector of pointers ends here
  return parsed;
}

const std::vector<std::string> kGood = {
    "tariff-exec", "--uid=2000001", "--gid=2000002", "--nofile=256", "--cwd=/tmp",
    "--", "/bin/echo", "--uid=0"};

std::vector<std::string> good_with(std::size_t index, std::string word) {
  auto words = kGood;
  words[index] = std::move(word);
  return words;
}

}  // namespace

TEST_CASE("the trampoline reads all its options and leaves the handler's alone") {
  const auto parsed = parse(kGood);
  REQUIRE(parsed.done);
  CHECK(parsed.options.uid == 2000001);
  CHECK(parsed.options.gid == 2000002);
  CHECK(parsed.options.nofile == 256);
  CHECK(std::string(parsed.options.cwd) == "/tmp");
}

TEST_CASE("a job is never root") {
  CHECK(parse(good_with(1, "--uid=0")).wrong == "--uid=0");
  CHECK(parse(good_with(2, "--gid=0")).wrong == "--gid=0");
  CHECK(parse(good_with(1, "--nofile=1")).wrong == "--uid is missing");
  CHECK(parse(good_with(2, "--nofile=1")).wrong == "--gid is missing");
  CHECK(parse(good_with(1, "--uid=4294967295")).wrong == "--uid=4294967295");
}

TEST_CASE("the trampoline refuses what it does not understand and names it") {
  const auto word = GENERATE(as<std::string>{}, "--uid", "--uid=", "--uid=12x", "--uid=-1",
                             "--nofile=0", "--policy=fifo", "--status-fd=4", "--cwd=tmp",
                             "--cwd=", "--other=1", "uid=1");
  const auto parsed = parse(good_with(3, word));
  CHECK_FALSE(parsed.done);
  CHECK(parsed.wrong == word);
}

TEST_CASE("a handler is an absolute path after --") {
  auto words = kGood;
  words.resize(5);
  CHECK(parse(words).wrong == "-- is missing");
  words.push_back("--");
  CHECK(parse(words).wrong == "the handler is missing");
  words.push_back("echo");
  CHECK(parse(words).wrong == "echo");
}
