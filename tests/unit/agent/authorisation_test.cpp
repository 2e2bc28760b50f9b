// SPDX-License-Identifier: Apache-2.0
#include "agent/authorisation.h"

#include "ipc/proto/agent.pb.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::agent;

namespace {

CallerFacts certified(std::vector<std::string> roles) {
  return {false, 0, true, std::move(roles), "10.0.0.1:4711 CN=shard"};
}
CallerFacts local(std::uint32_t uid) { return {true, uid, false, {}, "pid 7 uid 1000"}; }
const CallerFacts kUnknown{false, 0, false, {}, "127.0.0.1:4711"};

std::string refusal(const CallerFacts& caller, std::string_view method) {
  const auto status = authorise(caller, method);
  if (status) return "allowed";
  CHECK(status.error().kind == ErrorKind::PermissionDenied);
  return status.error().text();
}

}  // namespace

TEST_CASE("every method of the API says which role it needs", "[authorisation]") {
  const auto* service = v1::PlaceRequest::descriptor()->file()->FindServiceByName("Agent");
  REQUIRE(service != nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    INFO(service->method(i)->name());
    CHECK(is_listed(service->method(i)->name()));
  }
}

TEST_CASE("each role may do what those before it may, and not more", "[authorisation]") {
  const std::string reads[] = {"Status", "Poll", "List", "Get", "Watch", "Functions"};
  const std::string places[] = {"Place", "Wait", "Acknowledge", "Cancel"};
  for (const auto& method : reads) {
    CHECK(authorise(certified({"reader"}), method));
    CHECK(authorise(certified({"placer"}), method));
    CHECK(authorise(certified({"admin"}), method));
    CHECK_FALSE(authorise(certified({}), method));
  }
  for (const auto& method : places) {
    CHECK_FALSE(authorise(certified({"reader"}), method));
    CHECK(authorise(certified({"placer"}), method));
    CHECK(authorise(certified({"admin"}), method));
  }
  CHECK_FALSE(authorise(certified({"reader", "placer"}), "Drain"));
  CHECK(authorise(certified({"admin"}), "Drain"));
}

TEST_CASE("a method that nobody listed is for administrators", "[authorisation]") {
  CHECK(least_role("Explode") == Role::Admin);
  CHECK_FALSE(authorise(certified({"placer"}), "Explode"));
  CHECK_FALSE(authorise(local(1000), ""));
  CHECK(authorise(local(0), "Explode"));
}

TEST_CASE("root administers, the group places, and so does TCP without authentication",
          "[authorisation]") {
  CHECK(role_of(local(0)) == Role::Admin);
  CHECK(role_of(local(1000)) == Role::Placer);
  CHECK(role_of(kUnknown) == Role::Placer);
  // A uid is worth nothing where the kernel did not vouch for it.
  CHECK(role_of(certified({})) == Role::None);
}

TEST_CASE("the highest of several roles counts, and words that are none do not",
          "[authorisation]") {
  CHECK(role_of(certified({"reader", "admin", "placer"})) == Role::Admin);
  CHECK(role_of(certified({"root", "Admin", "admin ", "", "none"})) == Role::None);
  CHECK(role_of(certified({"root", "reader"})) == Role::Reader);
}

TEST_CASE("a refusal says what is needed and what the caller has", "[authorisation]") {
  CHECK(refusal(certified({"reader"}), "Place") ==
        "Place needs the role placer; its certificate says reader (the caller is "
        "10.0.0.1:4711 CN=shard) (ask for a certificate with the subjectAltName "
        "URI:tariff:role/placer)");
  CHECK(refusal(certified({}), "Poll") ==
        "Poll needs the role reader; its certificate names no role (the caller is "
        "10.0.0.1:4711 CN=shard) (ask for a certificate with the subjectAltName "
        "URI:tariff:role/reader)");
  CHECK(refusal(local(1000), "Drain") ==
        "Drain needs the role admin; it is placer here (the caller is pid 7 uid 1000) "
        "(run it as root)");
  CHECK(refusal(kUnknown, "Drain") ==
        "Drain needs the role admin; it is placer here (the caller is 127.0.0.1:4711) (there is "
        "no authentication on this socket: use the Unix socket or TLS)");
  CHECK(refusal(certified({std::string(1000, 'x')}), "Poll").size() < 250);
}
