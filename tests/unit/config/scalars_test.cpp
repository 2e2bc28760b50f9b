// SPDX-License-Identifier: Apache-2.0
#include "config/scalars.h"

#include <array>

#include "config/similar.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::config;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

TEST_CASE("integers are read whole", "[config]") {
  CHECK(*parse_integer("0") == 0);
  CHECK(*parse_integer("-17") == -17);
  CHECK(*parse_integer("9223372036854775807") == INT64_MAX);
  for (const char* text : {"", "-", "+1", "1 ", " 1", "80abc", "0x10", "1_000", "1.0", "1e3",
                           "9223372036854775808"}) {
    INFO(text);
    CHECK_FALSE(parse_integer(text));
  }
}

TEST_CASE("sizes are bytes or binary units", "[config]") {
  CHECK(*parse_bytes("0") == 0u);
  CHECK(*parse_bytes("4096") == 4096u);
  CHECK(*parse_bytes("64KiB") == 65'536u);
  CHECK(*parse_bytes("512MiB") == 536'870'912u);
  CHECK(*parse_bytes("2GiB") == std::uint64_t{1} << 31);
  CHECK(*parse_bytes("8TiB") == std::uint64_t{1} << 43);
  for (const char* text : {"", "MiB", "-1", "1.5GiB", "512MB", "512M", "512 MiB", "512mib",
                           "9223372036854775808", "8388608TiB", "1MiBx"}) {
    INFO(text);
    const auto result = parse_bytes(text);
    REQUIRE_FALSE(result);
    CHECK(result.error().message == "'" + std::string(text) + "' is not a size");
  }
}

TEST_CASE("durations need a unit", "[config]") {
  CHECK(*parse_duration("500ms") == 500ms);
  CHECK(*parse_duration("2s") == 2s);
  CHECK(*parse_duration("10min") == 10min);
  CHECK(*parse_duration("1h") == 1h);
  CHECK(*parse_duration("1000d") == 24'000h);
  for (const char* text : {"", "2", "s", "2 s", "2m", "2sec", "-1s", "1.5s", "1min30s", "1001d",
                           "99999999999999999999s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("booleans are true and false only", "[config]") {
  CHECK(*parse_boolean("true"));
  CHECK_FALSE(*parse_boolean("false"));
  for (const char* text : {"yes", "True", "1", "on", ""}) CHECK_FALSE(parse_boolean(text));
}

TEST_CASE("texts of sizes and durations are read back", "[config]") {
  for (const std::uint64_t bytes : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 1ull << 20, 3ull << 30,
                                    1ull << 40, (1ull << 40) + 1}) {
    CHECK(*parse_bytes(bytes_text(bytes)) == bytes);
  }
  CHECK(bytes_text(536'870'912) == "512MiB");
  for (const auto time : {0ms, 1ms, 999ms, 1000ms, 1500ms, 60'000ms, 86'400'000ms})
    CHECK(*parse_duration(duration_text(time)) == time);
  CHECK(duration_text(600s) == "10min");
}

TEST_CASE("a mistyped word finds the one that was meant", "[config]") {
  constexpr std::array kWords = {"name"sv, "price"sv, "fifo_priority"sv};
  CHECK(most_similar("prise", kWords) == "price"sv);
  CHECK(most_similar("nmae", kWords) == "name"sv);
  CHECK(most_similar("fifo_prority", kWords) == "fifo_priority"sv);
  CHECK(most_similar("fifopriority", kWords) == "fifo_priority"sv);
  CHECK_FALSE(most_similar("cost", kWords));
  CHECK_FALSE(most_similar("", kWords));
  CHECK_FALSE(most_similar(std::string(100'000, 'x'), kWords));
  CHECK(suggestion("cost", kWords) == "known are: name, price, fifo_priority");
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("ab", "ba") == 1);
}
