// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include "support/catch.h"

using namespace tariff;
using namespace tariff::config;

TEST_CASE("a file of comments stands for the defaults", "[config]") {
  const auto loaded = parse_node_config("# nothing\n", "tariffd.yaml");
  CHECK(render(loaded.diagnostics) == "");
  REQUIRE(loaded.value);
  const auto& classes = loaded.value->classes;
  REQUIRE(classes.size() == 5);
  CHECK(classes[0] == PriceClass{"bulk", Price{300'000}, 1, 10, {}, {}});
  CHECK(classes[1] == PriceClass{"background", Price{700'000}, 2, 15, {}, {}});
  CHECK(classes[2] == PriceClass{"standard", Price{1'000'000}, 3, 20, {}, {}});
  CHECK(classes[3] == PriceClass{"interactive", Price{1'500'000}, 4, 25, {}, {}});
  CHECK(classes[4] == PriceClass{"critical", Price{2'000'000}, 5, 30, {}, {}});
  NodeConfig defaults;
  defaults.classes = classes;
  CHECK(*loaded.value == defaults);
}
