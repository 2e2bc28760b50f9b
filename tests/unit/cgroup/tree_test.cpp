// SPDX-License-Identifier: Apache-2.0
// What of the class tree needs no cgroup; the rest is in tests/guest/test_cgroup_single_writer.py.
#include "cgroup/tree.h"

#include "support/catch.h"

using namespace tariff;
using namespace tariff::cgroup;
using config::CpuEnforcement;

TEST_CASE("a class's cgroup is named by its rank and its name", "[cgroup]") {
  config::PriceClass row;
  row.name = "interactive";
  row.rank = 4;
  CHECK(directory_name(row) == "class-4-interactive");
}

TEST_CASE("cpu.weight grows by equal ratios from 1 to 10000", "[cgroup]") {
  const auto weights = [](int classes, CpuEnforcement enforcement) {
    std::vector<std::uint64_t> out;
    for (int rank = 1; rank <= classes; ++rank)
      out.push_back(cpu_weight(rank, classes, enforcement));
    return out;
  };
  using List = std::vector<std::uint64_t>;
  CHECK(weights(5, CpuEnforcement::Weight) == List{1, 10, 100, 1'000, 10'000});
  CHECK(weights(2, CpuEnforcement::Weight) == List{1, 10'000});
  CHECK(weights(3, CpuEnforcement::Weight) == List{1, 100, 10'000});
  CHECK(weights(1, CpuEnforcement::Weight) == List{100});
  CHECK(weights(3, CpuEnforcement::Fifo) == List{100, 100, 100});
  CHECK(weights(2, CpuEnforcement::None) == List{100, 100});
  const auto most = weights(15, CpuEnforcement::Weight);  // as many as a band of 30 holds
  for (std::size_t i = 1; i < most.size(); ++i) CHECK(most[i] > most[i - 1]);
}

TEST_CASE("a tree that is missing or not in cgroup v2 says what to look at", "[cgroup]") {
  const auto missing = ClassTree::open("/sys/fs/cgroup/nonexistent.slice/tariff-jobs.service");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::NotFound);
  CHECK(missing.error().hint.find("tariff-jobs.service") != std::string::npos);

  const auto elsewhere = ClassTree::open("/tmp");
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().kind == ErrorKind::FailedPrecondition);
  CHECK(elsewhere.error().message == "/tmp is not in the cgroup v2 hierarchy");
}
