// SPDX-License-Identifier: Apache-2.0
#include "launcher/stderr_lines.h"

#include <vector>

#include "support/catch.h"

using namespace tariff::launcher;

namespace {

constexpr Nanos kSecond = 1'000'000'000;

struct Collector {
  LineSplitter splitter;
  std::vector<std::string> lines;
  void feed(std::string_view bytes) {
    splitter.feed(bytes, [this](std::string_view line) { lines.emplace_back(line); });
  }
  void flush() {
    splitter.flush([this](std::string_view line) { lines.emplace_back(line); });
  }
};

}  // namespace

TEST_CASE("stderr is cut into lines however it arrives") {
  Collector collector;
  for (const char c : std::string("one\n\ntwo\r\nthr")) collector.feed(std::string_view(&c, 1));
  CHECK(collector.lines == std::vector<std::string>{"one", "", "two\r"});
  collector.flush();
  collector.flush();
  CHECK(collector.lines.back() == "thr");
  CHECK(collector.lines.size() == 4);
}

TEST_CASE("a line without an end comes in pieces of the longest line") {
  Collector collector;
  collector.feed(std::string(3 * LineSplitter::kLongest + 5, 'x') + "\n");
  REQUIRE(collector.lines.size() == 4);
  CHECK(collector.lines[0].size() == LineSplitter::kLongest);
  CHECK(collector.lines[3] == "xxxxx");
}

TEST_CASE("a line of exactly the longest length is one line") {
  Collector collector;
  collector.feed(std::string(LineSplitter::kLongest, 'x'));
  CHECK(collector.lines.empty());
  collector.feed("\ny\n");
  REQUIRE(collector.lines.size() == 2);
  CHECK(collector.lines[0].size() == LineSplitter::kLongest);
  CHECK(collector.lines[1] == "y");
}

TEST_CASE("bytes that are not text pass as they are") {
  Collector collector;
  collector.feed(std::string("\0\xff\x01\n", 4));
  CHECK(collector.lines == std::vector<std::string>{std::string("\0\xff\x01", 3)});
}

TEST_CASE("a bucket starts full, empties, and fills at its rate up to a second's worth") {
  TokenBucket bucket(1'000, 0);
  CHECK(bucket.available(0) == 1'000);
  bucket.take(1'000);
  CHECK(bucket.available(0) == 0);
  CHECK(bucket.available(kSecond / 2) == 500);
  CHECK(bucket.available(100 * kSecond) == 1'000);
}

TEST_CASE("a slow bucket loses no fraction of a byte to frequent looks") {
  TokenBucket bucket(10, 0);
  bucket.take(10);
  std::uint64_t seen = 0;
  for (Nanos now = 0; now <= kSecond; now += kSecond / 1'000) seen = bucket.available(now);
  CHECK(seen >= 9);
  CHECK(seen <= 10);
}

TEST_CASE("a bucket survives a rate of zero, an enormous rate and a clock that stands") {
  TokenBucket slowest(0, 0);
  CHECK(slowest.available(0) == 1);
  TokenBucket fastest(UINT64_MAX, 0);
  fastest.take(UINT64_MAX);
  CHECK(fastest.available(kSecond) == UINT64_MAX);
  fastest.take(10);
  CHECK(fastest.available(kSecond) == UINT64_MAX - 10);
}
