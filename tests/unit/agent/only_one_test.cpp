// SPDX-License-Identifier: Apache-2.0
#include "agent/only_one.h"

#include <unistd.h>

#include <cstdlib>

#include "support/catch.h"

using namespace tariff;
using namespace tariff::agent;

TEST_CASE("a second agent of the same launcher is refused, until the first has gone") {
  char directory[] = "/tmp/tariff-test-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const std::string socket = std::string(directory) + "/launcher.sock";
  {
    const auto first = be_the_only_agent(socket);
    REQUIRE(first);
    const auto second = be_the_only_agent(socket);
    REQUIRE(!second);
    CHECK(second.error().kind == ErrorKind::FailedPrecondition);
    CHECK(second.error().text().find("another tariffd is running") != std::string::npos);
  }
  CHECK(be_the_only_agent(socket));
  CHECK(!be_the_only_agent(std::string(directory) + "/no-such-directory/launcher.sock"));
  ::rmdir(directory);
}
