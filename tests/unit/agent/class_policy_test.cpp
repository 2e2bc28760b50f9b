// SPDX-License-Identifier: Apache-2.0
#include "agent/class_policy.h"

#include "support/catch.h"

using namespace tariff;
using namespace tariff::agent;

namespace {
config::PriceClass row(int rank, int priority) {
  config::PriceClass price_class;
  price_class.name = "c" + std::to_string(rank);
  price_class.rank = rank;
  price_class.fifo_priority = priority;
  return price_class;
}
}  // namespace

TEST_CASE("a higher class is never easier for the kernel to kill than a lower one") {
  for (int classes : {1, 2, 5, 15}) {
    int previous = 1001;
    for (int rank = 1; rank <= classes; ++rank) {
      const auto knobs = knobs_of(row(rank, 10 + 2 * rank), classes, config::CpuEnforcement::Fifo);
      CHECK(knobs.oom_score_adj < previous);
      CHECK(knobs.oom_score_adj > 0);
      CHECK(knobs.priority == 10 + 2 * rank);
      previous = knobs.oom_score_adj;
    }
  }
}

TEST_CASE("without FIFO enforcement a class has no priority") {
  for (auto mode : {config::CpuEnforcement::Weight, config::CpuEnforcement::None}) {
    const auto knobs = knobs_of(row(2, 15), 5, mode);
    CHECK_FALSE(knobs.fifo);
    CHECK(knobs.priority == 0);
  }
}

TEST_CASE("classes are found by name and only by name") {
  config::NodeConfig config;
  config.classes = {row(1, 10), row(2, 15)};
  REQUIRE(find_class(config, "c2") != nullptr);
  CHECK(find_class(config, "c2")->rank == 2);
  CHECK(find_class(config, "c") == nullptr);
  CHECK(find_class(config, "") == nullptr);
}
