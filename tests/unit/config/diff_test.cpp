// SPDX-License-Identifier: Apache-2.0
#include "config/diff.h"

#include "config/load.h"
#include "config/write.h"
#include "support/catch.h"

using namespace tariff::config;

namespace {

NodeConfig config(std::string_view text) {
  const auto loaded = parse_node_config(text, "t.yaml");
  INFO(render(loaded.diagnostics));
  REQUIRE(loaded.value);
  return *loaded.value;
}

}  // namespace

TEST_CASE("equal configurations do not differ", "[config]") {
  CHECK(diff(config("#"), config("limits: {max_jobs: 4096}")).empty());
  CHECK(render(std::vector<Change>{}) == "");
}

TEST_CASE("each changed setting says what it was, becomes, and when", "[config]") {
  const auto before = config(R"(
classes:
  - {name: bulk, price: 0.3}
  - {name: old, price: 0.5}
  - {name: gold, price: 2, fifo_priority: 30}
)");
  const auto after = config(R"(
classes:
  - {name: bulk, price: 0.4, swap_max: 2GiB}
  - {name: gold, price: 2, fifo_priority: 30}
  - {name: platinum, price: 3}
cpu_enforcement: weight
fifo: {launcher: 59, agent: 61}
sockets: {agent: /run/tariff/a.sock, tcp_listen: "127.0.0.1:7070", insecure_tcp: true}
limits: {max_jobs: 100, kill_grace: 5s}
uids: {first: 3000000}
)");
  CHECK(render(diff(before, after)) ==
        R"(classes.old            removed: price 0.5, fifo_priority 15          now
classes.bulk.price     0.3 -> 0.4                                    now
classes.bulk.swap_max  no limit -> 2GiB                              now
classes.gold.rank      3 -> 2                                        now
classes.platinum       added: price 3, fifo_priority 35              now
cpu_enforcement        fifo -> weight                                now
fifo.launcher          58 -> 59                                      )"
        "needs: systemctl restart tariff-launcher tariffd\n"
        R"(fifo.agent             60 -> 61                                      )"
        "needs: systemctl restart tariffd\n"
        R"(sockets.agent          /run/tariff/agent.sock -> /run/tariff/a.sock  )"
        "needs: systemctl restart tariffd\n"
        R"(sockets.tcp_listen     none -> 127.0.0.1:7070                        )"
        "needs: systemctl restart tariffd\n"
        R"(sockets.insecure_tcp   false -> true                                 )"
        "needs: systemctl restart tariffd\n"
        R"(limits.max_jobs        4096 -> 100                                   now
limits.kill_grace      2s -> 5s                                      now
uids.first             2000000 -> 3000000                            )"
        "needs: systemctl restart tariffd\n");
}

TEST_CASE("a reload keeps what only a restart can change", "[config]") {
  const auto running = config("#");
  const auto wanted = config(
      "fifo: {launcher: 59, agent: 61, boost: 53}\n"
      "metrics: {listen: off}\n"
      "sockets: {agent: /run/x.sock}\nuids: {first: 3000000}\nlimits: {max_jobs: 7}\n");
  const auto result = after_reload(running, wanted);
  for (const auto& change : diff(running, result)) CHECK(change.applies == Applies::Now);
  for (const auto& change : diff(result, wanted)) CHECK(change.applies != Applies::Now);
  CHECK(result.limits.max_jobs == 7);
  CHECK(result.fifo.boost == 53);
  CHECK(result.fifo.agent == 60);
}

TEST_CASE("a configuration written as YAML is read back", "[config]") {
  for (const char* text :
       {"#", "metrics: {listen: off}", "metrics: {listen: /run/tariff/m.sock}",
        "sockets: {agent: \"/run/it's # a: b\", tcp_listen: '[::1]:1', insecure_tcp: true}",
        "classes: [{name: a, price: 0.000001, pids_max: 7, round_robin: true}, "
        "{name: b, price: 2, swap_max: 1025}]\n"
        "cpu_enforcement: none\nmemory_price: 1.5\nfifo: {agent: 98}\nuids: {first: 100000}\n"
        "cpus: {mode: reserved, reserved: 2}\n"
        "limits: {kill_grace: 0ms, result_retention: 90s, memory_reserve: 3GiB}\n"}) {
    INFO(text);
    const auto node = config(text);
    INFO(to_yaml(node));
    CHECK(config(to_yaml(node)) == node);
  }
}

TEST_CASE("functions differ by version", "[config]") {
  const auto node = config("#");
  const auto functions = [&node](const char* text) {
    return *parse_functions({{text, "f.yaml"}}, node).value;
  };
  const auto before = functions(
      "functions:\n- {name: a, argv: [/bin/a], class: bulk}\n"
      "- {name: b, argv: [/bin/b], class: bulk}\n- {name: c, argv: [/bin/c], class: bulk}\n");
  const auto after = functions(
      "functions:\n- {name: d, argv: [/bin/d], class: bulk}\n"
      "- {name: c, argv: [/bin/c], class: critical}\n- {name: b, argv: [/bin/b], class: bulk}\n");
  const auto changes = diff(before, after);
  REQUIRE(changes.size() == 3);
  CHECK(changes[0] == Change{"functions.a", before[0].version, "", Applies::Now});
  CHECK(changes[1] == Change{"functions.c", before[2].version, after[1].version, Applies::Now});
  CHECK(changes[2] == Change{"functions.d", "", after[0].version, Applies::Now});
}
