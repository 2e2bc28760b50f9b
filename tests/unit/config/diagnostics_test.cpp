// SPDX-License-Identifier: Apache-2.0
#include "config/diagnostics.h"

#include "support/catch.h"

using namespace tariff::config;

TEST_CASE("a diagnostic shows the line, underlines the place and gives a hint", "[config]") {
  Report report("tariffd.yaml", "a: 1\n  price: zero\nb: 2\n");
  report.error({2, 10, 4}, "'price': not a price", "write 1.5");
  CHECK(render(std::move(report).take()) ==
        "tariffd.yaml:2:10: error: 'price': not a price\n"
        "   2 |   price: zero\n"
        "     |          ^~~~\n"
        "  hint: write 1.5\n"
        "\n"
        "1 error\n");
}

TEST_CASE("a diagnostic about a whole file has no line", "[config]") {
  Report report("/etc/x.yaml", "");
  report.error({}, "cannot open it: No such file or directory");
  report.warning({}, "and more");
  CHECK(render(std::move(report).take()) ==
        "/etc/x.yaml: error: cannot open it: No such file or directory\n"
        "\n"
        "/etc/x.yaml: warning: and more\n"
        "\n"
        "1 error, 1 warning\n");
}

TEST_CASE("columns count characters, and tabs and controls take one", "[config]") {
  Report report("f", "n\xc3\xa4me:\t\x01 x\r\n");
  report.error({1, 10, 1}, "m");
  CHECK(render(std::move(report).take()) ==
        "f:1:9: error: m\n"
        "   1 | n\xc3\xa4me: ? x\n"
        "     |         ^\n"
        "\n"
        "1 error\n");
}

TEST_CASE("a long line is shown around the place", "[config]") {
  const std::string text = std::string(300, 'a') + "X" + std::string(300, 'b');
  Report report("f", text);
  report.error({1, 301, 500}, "m");
  CHECK(render(std::move(report).take()) ==
        "f:1:301: error: m\n"
        "   1 | ..." + std::string(39, 'a') + "X" + std::string(47, 'b') + "...\n" +
        "     | " + std::string(42, ' ') + "^" + std::string(50, '~') + "\n" +
        "\n"
        "1 error\n");
}

TEST_CASE("places outside the text are survived", "[config]") {
  Report report("f", "one\n");
  report.error({7, 3, 2}, "far line");
  report.error({1, 99, 2}, "far column");
  report.error({1, 0, 0}, "no column");
  const auto list = std::move(report).take();
  REQUIRE(list.size() == 3);
  CHECK(list[0].column == 1);
  CHECK(list[1].column == 4);
  CHECK(list[2].line == 7);
  CHECK_FALSE(render(list).empty());
}

TEST_CASE("diagnostics come in the order of the text and are bounded", "[config]") {
  Report report("f", "a\nb\n");
  report.warning({2, 1, 1}, "second");
  report.error({1, 1, 1}, "first");
  CHECK(report.has_errors());
  for (std::size_t i = 0; i < Report::kMost; ++i) report.error({2, 1, 1}, "again");
  CHECK(report.errors() == Report::kMost + 1);
  const auto list = std::move(report).take();
  REQUIRE(list.size() == Report::kMost + 1);
  CHECK(list[0].message == "first");
  CHECK(list.back().message == "2 more are not shown");
  CHECK(has_errors(list));
}
