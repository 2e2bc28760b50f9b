// SPDX-License-Identifier: Apache-2.0
// What good files say. Bad ones are in golden_test.cpp.
#include <fstream>

#include "config/classes.h"
#include "config/load.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::config;
using namespace std::chrono_literals;

namespace {

NodeConfig good(std::string_view text) {
  const auto loaded = parse_node_config(text, "tariffd.yaml");
  CHECK(render(loaded.diagnostics) == "");
  REQUIRE(loaded.value);
  return *loaded.value;
}

std::vector<int> priorities(const NodeConfig& node) {
  std::vector<int> out;
  for (const auto& row : node.classes) out.push_back(row.fifo_priority);
  return out;
}

}  // namespace

TEST_CASE("a file of comments stands for the defaults", "[config]") {
  for (const char* text : {"# nothing\n", "---\n", "---\n...\n", "{}\n", "limits:\nfifo:\n"}) {
    INFO(text);
    const NodeConfig node = good(text);
    NodeConfig defaults;
    defaults.classes = {{"bulk", Price{300'000}, 1, 10, {}, {}},
                        {"background", Price{700'000}, 2, 15, {}, {}},
                        {"standard", Price{1'000'000}, 3, 20, {}, {}},
                        {"interactive", Price{1'500'000}, 4, 25, {}, {}},
                        {"critical", Price{2'000'000}, 5, 30, {}, {}}};
    CHECK(node == defaults);
  }
}

TEST_CASE("the shipped file stands for the defaults", "[config]") {
  const auto loaded = load_node_config(TARIFF_SHIPPED_CONFIG);
  CHECK(render(loaded.diagnostics) == "");
  REQUIRE(loaded.value);
  CHECK(*loaded.value == good("#"));
}

TEST_CASE("the shipped file shows every key, and with its default", "[config]") {
  // Settings are "#key" or "#  key" or "#  - "; prose has one blank or more than two.
  std::ifstream stream(TARIFF_SHIPPED_CONFIG);
  std::string text;
  int keys = 0;
  for (std::string line; std::getline(stream, line);) {
    const auto first = line.find_first_not_of(' ', 1);
    if (first != 1 && first != 3) continue;
    if (line.find("tcp_listen: ") == 3) continue;  // the only setting without a default
    text += line.substr(1) + "\n";
    ++keys;
  }
  CHECK(keys == 10 + 5 + 6 + 2 + 3 + 11 + 2 + 1);
  CHECK(good(text) == good("#"));
}

TEST_CASE("every setting is read", "[config]") {
  const NodeConfig node = good(R"(
classes:
  - {name: gold, price: 1.25, fifo_priority: 30, swap_max: 0, pids_max: 4096,
     round_robin: true}
  - name: dirt
    price: "0.000001"
    swap_max: 2GiB
memory_price: 0.5
cpu_enforcement: weight
fifo: {classes_low: 20, classes_high: 40, boost: 60, workers: 61, launcher: 62, agent: 63}
cpus: {mode: shared, reserved: 3}
sockets:
  agent: /tmp/a.sock
  launcher: '/tmp/l.sock'
  tcp_listen: "[::1]:7070"
  insecure_tcp: true
limits:
  max_frame: 1MiB
  max_streams_per_connection: 16
  max_queued_per_connection: 2097152
  max_connections: 8
  max_jobs: 100
  result_retention_bytes: 1GiB
  result_retention: 1h
  stderr_per_second: 1KiB
  memory_reserve: 1GiB
  leaf_pool: 4
  kill_grace: 500ms
uids: {first: 3000000, count: 100}
functions_directory: /srv/functions
)");
  NodeConfig expected;
  expected.classes = {{"dirt", Price{1}, 1, 20, std::uint64_t{1} << 31, {}},
                      {"gold", Price{1'250'000}, 2, 30, 0, 4096, true}};
  expected.classes[0].fifo_priority = 20;
  expected.memory_price = Price{500'000};
  expected.cpu_enforcement = CpuEnforcement::Weight;
  expected.fifo = {20, 40, 60, 61, 62, 63};
  expected.cpus = {CpuMode::Shared, 3};
  expected.sockets = {"/tmp/a.sock", "/tmp/l.sock", "[::1]:7070", true};
  expected.limits = {1'048'576, 16, 2'097'152, 8, 100, 1'073'741'824, 3600s, 1024, 1'073'741'824,
                     4, 500ms};
  expected.uids = {3'000'000, 100};
  expected.functions_directory = "/srv/functions";
  CHECK(node == expected);
}

TEST_CASE("classes are ranked by price and given priorities are kept", "[config]") {
  const NodeConfig node = good(R"(
classes:
  - {name: e, price: 5}
  - {name: d, price: 4, fifo_priority: 30}
  - {name: c, price: 3}
  - {name: b, price: 2, fifo_priority: 20}
  - {name: a, price: 1}
)");
  CHECK(node.classes.front().name == "a");
  CHECK(node.classes.back().rank == 5);
  CHECK(priorities(node) == std::vector<int>{10, 20, 25, 30, 35});
}

TEST_CASE("priorities are spread over the band, never closer than two", "[config]") {
  for (int low = 1; low <= 47; low += 3) {
    for (int high = low; high <= 49; ++high) {
      for (int count = 1; count <= 26; ++count) {
        std::vector<PriceClass> classes(static_cast<std::size_t>(count));
        FifoBands bands;
        bands.classes_low = low;
        bands.classes_high = high;
        const bool fits = (count - 1) * kMinPriorityStep <= high - low;
        REQUIRE(spread_priorities(classes, bands).has_value() == fits);
        if (!fits) continue;
        REQUIRE(classes.front().fifo_priority == low);
        REQUIRE(classes.back().fifo_priority <= high);
        for (std::size_t i = 1; i < classes.size(); ++i)
          REQUIRE(classes[i].fifo_priority - classes[i - 1].fifo_priority >= kMinPriorityStep);
      }
    }
  }
}

TEST_CASE("a setting without effect is a warning and the value is there", "[config]") {
  const auto loaded = parse_node_config("sockets: {insecure_tcp: true}\n", "t.yaml");
  CHECK(loaded.value);
  CHECK(render(loaded.diagnostics) ==
        "t.yaml:1:25: warning: 'insecure_tcp' has no effect without 'tcp_listen'\n"
        "   1 | sockets: {insecure_tcp: true}\n"
        "     |                         ^~~~\n"
        "\n"
        "1 warning\n");
}

TEST_CASE("a file that cannot be read is a diagnostic", "[config]") {
  CHECK(render(load_node_config("/nonexistent/tariffd.yaml").diagnostics) ==
        "/nonexistent/tariffd.yaml: error: cannot open it: No such file or directory\n\n1 error\n");
  CHECK(render(load_node_config("/tmp").diagnostics) ==
        "/tmp: error: not a regular file\n\n1 error\n");
  CHECK(render(load_node_config("/dev/zero").diagnostics) ==
        "/dev/zero: error: not a regular file\n\n1 error\n");
}
