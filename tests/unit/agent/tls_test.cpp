// SPDX-License-Identifier: Apache-2.0
#include "agent/tls.h"

#include <boost/asio/io_context.hpp>

#include "support/test_ca.h"

using namespace tariff;
using namespace tariff::agent;
using namespace tariff::test;

namespace {

constexpr std::int64_t kDay = 86'400;
/// 2026-01-31 12:00 UTC.
constexpr std::int64_t kEnd = 1'769'860'800;

std::string warning(std::int64_t before_end) {
  return expiry_warning({"CN=node1", kEnd - 90 * kDay, kEnd, {}}, kEnd - before_end);
}

struct Port {
  boost::asio::io_context io{1};
  ipc::Server server{io, {}};
  TlsPort port{server};
  TestCa ca;

  config::NodeConfig config(const ipc::TlsFiles& files) {
    config::NodeConfig config;
    config.tls = config::Tls{"127.0.0.1:0", files.certificate, files.key, files.ca, {}};
    return config;
  }
  std::string prepare(const ipc::TlsFiles& files) {
    const auto context = port.prepare(config(files));
    return context ? "taken" : context.error().text();
  }
};

}  // namespace

TEST_CASE("a certificate is warned of in its last 14 days", "[agent][tls]") {
  CHECK(warning(30 * kDay).empty());
  CHECK(warning(14 * kDay + 1).empty());
  CHECK(warning(14 * kDay) == "the TLS certificate CN=node1 expires in 14 days");
  CHECK(warning(2 * kDay - 1) == "the TLS certificate CN=node1 expires in 1 days");
  CHECK(warning(7'200) == "the TLS certificate CN=node1 expires in 2 hours");
  CHECK(warning(-1) == "the TLS certificate CN=node1 expired on 2026-01-31 12:00 UTC: no new "
                       "connection can be made");
  CHECK(warning(91 * kDay) == "the TLS certificate CN=node1 is valid only from 2025-11-02 12:00 "
                              "UTC: no new connection can be made");
}

TEST_CASE("a reload takes good certificates and refuses bad ones", "[agent][tls]") {
  Port rig;
  REQUIRE(rig.port.listen(rig.config(rig.ca.server())));
  CHECK(rig.prepare(rig.ca.server("next")) == "taken");
  auto mixed = rig.ca.server("one");
  mixed.key = rig.ca.server("other").key;
  CHECK(rig.prepare(mixed).find("is not the key of the certificate") != std::string::npos);
  const auto late = rig.prepare(rig.ca.issue({"late", "", -2 * kDay, -kDay}));
  CHECK(late.find("the new certificate") != std::string::npos);
  CHECK(late.find("the one in use is valid and stays") != std::string::npos);
}

TEST_CASE("an expired certificate does not keep the agent from starting, and can be replaced",
          "[agent][tls]") {
  Port rig;
  REQUIRE(rig.port.listen(rig.config(rig.ca.issue({"late", "", -2 * kDay, -kDay}))));
  std::vector<std::string> warnings;
  rig.port.warn(warnings);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("expired on") != std::string::npos);
  CHECK(rig.prepare(rig.ca.issue({"worse", "", -4 * kDay, -3 * kDay})) == "taken");
  auto context = rig.port.prepare(rig.config(rig.ca.server()));
  REQUIRE(context);
  rig.port.use(*context);
  warnings.clear();
  rig.port.warn(warnings);
  REQUIRE(warnings.size() == 1);  // the test's certificates live for an hour
  CHECK(warnings[0].find("expires in") != std::string::npos);
  v1::StatusReply reply;
  rig.port.fill(reply);
  CHECK(reply.tls_listen() == "127.0.0.1:0");
  CHECK(reply.certificate_expires_unix_ns() > 0);
}

TEST_CASE("without a tls section there is no port and nothing to say", "[agent][tls]") {
  Port rig;
  REQUIRE(rig.port.listen(config::NodeConfig()));
  v1::StatusReply reply;
  rig.port.fill(reply);
  CHECK(reply.tls_listen().empty());
  auto context = rig.port.prepare(rig.config(rig.ca.server()));
  REQUIRE(context);
  CHECK(*context == nullptr);
}
