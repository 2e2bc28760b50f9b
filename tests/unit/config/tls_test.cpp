// SPDX-License-Identifier: Apache-2.0
// The section tls: what it says, what a reload can take over, what is reported where.
#include "config/diff.h"
#include "config/load.h"
#include "config/write.h"
#include "support/catch.h"

using namespace tariff::config;

namespace {

constexpr const char* kSection = R"(tls:
  listen: "[::]:7443"
  certificate: /etc/tariff/tls/node.crt
  key: /etc/tariff/tls/node.key
  client_ca: /etc/tariff/tls/ca.crt
)";

NodeConfig good(const std::string& text) {
  const auto loaded = parse_node_config(text, "t.yaml");
  INFO(render(loaded.diagnostics));
  REQUIRE(loaded.value);
  return *loaded.value;
}

std::string problems(const std::string& text, const TlsCheck& check) {
  return render(parse_node_config(text, "t.yaml", check).diagnostics);
}

}  // namespace

TEST_CASE("a tls section is read and written back as it is", "[config][tls]") {
  CHECK_FALSE(good("#").tls);
  CHECK_FALSE(good("tls:\n").tls);
  const auto node = good(std::string(kSection) + "  crl: /etc/tariff/tls/ca.crl\n");
  REQUIRE(node.tls);
  CHECK(*node.tls == Tls{"[::]:7443", "/etc/tariff/tls/node.crt", "/etc/tariff/tls/node.key",
                         "/etc/tariff/tls/ca.crt", "/etc/tariff/tls/ca.crl"});
  CHECK(good(to_yaml(node)) == node);
  CHECK(good(to_yaml(good(kSection))) == good(kSection));
}

TEST_CASE("new files are taken by a reload, another port is not", "[config][tls]") {
  const auto before = good(kSection);
  auto after = before;
  after.tls->certificate = "/etc/tariff/tls/new.crt";
  after.tls->listen = "0.0.0.0:7444";
  CHECK(render(diff(before, after)) ==
        "tls.listen       [::]:7443 -> 0.0.0.0:7444                            needs: systemctl "
        "restart tariffd\n"
        "tls.certificate  /etc/tariff/tls/node.crt -> /etc/tariff/tls/new.crt  now\n");
  const auto running = after_reload(before, after);
  CHECK(running.tls->listen == "[::]:7443");
  CHECK(running.tls->certificate == "/etc/tariff/tls/new.crt");
}

TEST_CASE("a section that comes or goes needs a restart", "[config][tls]") {
  const auto with = good(kSection);
  const auto without = good("#");
  for (const auto& change : diff(without, with)) CHECK(change.applies == Applies::AgentRestart);
  CHECK(diff(without, with).size() == 4);
  CHECK_FALSE(after_reload(without, with).tls);
  CHECK(after_reload(with, without).tls == with.tls);
}

TEST_CASE("what is wrong in a file is reported where the file is named", "[config][tls]") {
  const auto check = [](const Tls& tls) {
    CHECK(tls.key == "/etc/tariff/tls/node.key");
    return std::vector<FileProblem>{{"key", true, "it does not fit", "make it fit"},
                                    {"certificate", false, "it is old", ""}};
  };
  CHECK(problems(kSection, check) == R"(t.yaml:3:16: warning: 'certificate': it is old
   3 |   certificate: /etc/tariff/tls/node.crt
     |                ^~~~~~~~~~~~~~~~~~~~~~~~

t.yaml:4:8: error: 'key': it does not fit
   4 |   key: /etc/tariff/tls/node.key
     |        ^~~~~~~~~~~~~~~~~~~~~~~~
  hint: make it fit

1 error, 1 warning
)");
}

TEST_CASE("files are not looked into while the section itself is wrong", "[config][tls]") {
  bool looked = false;
  const auto check = [&](const Tls&) {
    looked = true;
    return std::vector<FileProblem>();
  };
  CHECK(problems("tls: {listen: here}\n", check) != "");
  CHECK_FALSE(looked);
  CHECK(problems(kSection, check) == "");
  CHECK(looked);
}
