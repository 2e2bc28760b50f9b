// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/units.h"

#include <utility>
#include <vector>

#include "support/catch.h"

using namespace tariff::ctl;
using namespace std::chrono_literals;

TEST_CASE("durations have three digits in the unit that suits, up to days") {
  const std::vector<std::pair<std::chrono::nanoseconds, std::string>> cases{
      {0ns, "0"},           {850ns, "850 ns"},      {1'230ns, "1.23 us"},  {999'400ns, "999 us"},
      {999'600ns, "1.00 ms"}, {20ms, "20.0 ms"},    {1'234ms, "1.23 s"},   {99'940ms, "99.9 s"},
      {200s, "3m 20s"},     {2h + 5min, "2h 05m"},  {76h, "3d 04h"},       {-1'500us, "-1.50 ms"}};
  for (const auto& [duration, text] : cases) CHECK(duration_text(duration) == text);
}

TEST_CASE("bytes are binary units and never 1024 of one") {
  CHECK(bytes_text(0) == "0");
  CHECK(bytes_text(512) == "512 B");
  CHECK(bytes_text(1'536) == "1.50 KiB");
  CHECK(bytes_text(314'572'800) == "300 MiB");
  CHECK(bytes_text(1'048'575) == "1.00 MiB");
  CHECK(bytes_text(~0ull) == "16.0 EiB");
}

TEST_CASE("instants are UTC with milliseconds") {
  CHECK(instant_text(1'764'000'000'123'000'000) == "2025-11-24 16:00:00.123Z");
  CHECK(time_of_day_text(1'764'000'000'999'999'999) == "16:00:00.999");
  CHECK(instant_text(-1) == "1969-12-31 23:59:59.999Z");
}

TEST_CASE("a share of nothing is a dash") {
  CHECK(share_text(1, 8) == "13%");
  CHECK(share_text(0, 8) == "0%");
  CHECK(share_text(1, 0) == "-");
}

TEST_CASE("text of others cannot drive the terminal") {
  CHECK(printable("a\x1b[31mred\nnext\ttab\x7f") == "a?[31mred next tab?");
  CHECK(printable("caf\xc3\xa9 \xc2\x9b!") == "caf\xc3\xa9 ?!");
}

TEST_CASE("durations are read with a unit, seconds without") {
  CHECK(*parse_duration("250ms") == 250ms);
  CHECK(*parse_duration("1.5s") == 1'500ms);
  CHECK(*parse_duration("90") == 90s);
  CHECK(*parse_duration("2m") == 2min);
  CHECK(*parse_duration("1h") == 1h);
}

TEST_CASE("what is not a duration is refused with the text that was given") {
  for (const char* text : {"", "s", "-1s", "1d", "1.2.3s", "0", "0.1ms", "1e5h", "nan", " 1s"}) {
    const auto duration = parse_duration(text);
    REQUIRE_FALSE(duration.has_value());
    CHECK(duration.error().message.find("\"" + std::string(text) + "\"") == 0);
  }
}
