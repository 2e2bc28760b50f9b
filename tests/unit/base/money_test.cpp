// SPDX-License-Identifier: Apache-2.0
#include "base/money.h"

#include "support/catch.h"

using namespace tariff;
using namespace std::chrono_literals;

TEST_CASE("a price is read and written as the same exact decimal") {
  for (const char* text : {"0.3", "0.7", "1", "1.5", "2", "0.000001", "1000000000", "0"}) {
    auto price = Price::parse(text);
    REQUIRE(price.has_value());
    CHECK(price->text() == text);
  }
  CHECK(Price::parse("2.0")->text() == "2");
  CHECK(Price::parse("2.000000")->millionths == 2'000'000);
}

TEST_CASE("what is not a price is refused with the text that was given") {
  for (const char* text : {"", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000001", "1,5", " 1", "1 ",
                           "1000000001", "99999999999", "0x10", "1.2.3", "nan"}) {
    auto price = Price::parse(text);
    REQUIRE_FALSE(price.has_value());
    CHECK(price.error().kind == ErrorKind::InvalidArgument);
    CHECK(price.error().message.find("\"" + std::string(text) + "\"") != std::string::npos);
  }
}

TEST_CASE("CPU cost is time times price, rounded half up to a millionth of a micro-cent") {
  const Price price = *Price::parse("0.3");
  CHECK(cpu_cost(price, 1s).text() == "0.3");
  CHECK(cpu_cost(price, 20ms).text() == "0.006");
  CHECK(cpu_cost(price, 1us).text() == "0");
  CHECK(cpu_cost(price, 2us).text() == "0.000001");
  CHECK(cpu_cost(price, 0us).text() == "0");
  CHECK(cpu_cost(*Price::parse("1000000000"), std::chrono::hours(24 * 365 * 100)).millionths ==
        INT64_MAX);
}

TEST_CASE("memory cost counts a gigabyte as ten to the ninth bytes") {
  const Price price = *Price::parse("1.5");
  const ByteMicroseconds gigabyte_second = ByteMicroseconds{1'000'000'000} * 1'000'000;
  CHECK(memory_cost(price, gigabyte_second).text() == "1.5");
  CHECK(memory_cost(price, gigabyte_second / 3).text() == "0.5");
  CHECK(memory_cost(price, 0).text() == "0");
  CHECK(memory_cost(*Price::parse("1000000000"), ~ByteMicroseconds{0}).millionths == INT64_MAX);
}
