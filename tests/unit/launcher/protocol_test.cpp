// SPDX-License-Identifier: Apache-2.0
// The bytes of released protocol versions: what an agent or launcher of that version really sends.
// A line here is never changed, only added: the other side may be older than this build.
#include "launcher/protocol.pb.h"

#include <fcntl.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "launcher/protocol_version.h"
#include "support/catch.h"

using namespace tariff::launcher;

namespace {

std::string bytes(std::string_view hex) {
  std::string result;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2)
    result.push_back(static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16)));
  return result;
}

// Version 1.
constexpr std::string_view kHello1 = "08011209080110011a03302e31";
constexpr std::string_view kLaunch1 =
    "0807224f0a056a6f622d31120568656c6c6f1a02763122087374616e646172642a087374616e64617264"
    "32056c6f63616c3a092f62696e2f747275654203413d424a042f746d7050015a016460e8079801e807";
constexpr std::string_view kRefusal1 = "0807120a08031206696e20757365";
constexpr std::string_view kChanged1 =
    "52340a056a6f622d3138057880b4c4c321800101880103c001808004e80180897afa0112636c6173732d31"
    "2d62756c6b2f6a2d312d32";
// A Hello of a version to come: speaks 1..2 and has a field 15 that nobody knows yet.
constexpr std::string_view kHelloNewer = "08011207080110021a01327a0178";

template <typename Message>
Message parse(std::string_view hex) {
  Message message;
  REQUIRE(message.ParseFromString(bytes(hex)));
  return message;
}

}  // namespace

TEST_CASE("a Hello of version 1 is understood") {
  const auto request = parse<Request>(kHello1);
  CHECK(request.sequence() == 1);
  REQUIRE(request.kind_case() == Request::kHello);
  CHECK(request.hello().protocol_oldest() == 1);
  CHECK(request.hello().protocol_newest() == 1);
  CHECK(request.hello().version() == "0.1");
}

TEST_CASE("a Launch of version 1 is understood") {
  const auto request = parse<Request>(kLaunch1);
  REQUIRE(request.kind_case() == Request::kLaunch);
  const Launch& launch = request.launch();
  CHECK(launch.id() == "job-1");
  CHECK(launch.function() == "hello");
  CHECK(launch.class_run() == "standard");
  CHECK(launch.owner() == "local");
  CHECK(launch.argv(0) == "/bin/true");
  CHECK(launch.env(0) == "A=B");
  CHECK(launch.working_directory() == "/tmp");
  CHECK(launch.has_payload());
  CHECK(launch.payload_digest() == "d");
  CHECK(launch.accepted_ns() == 1'000);
  CHECK(launch.result_max() == 1'000);
}

TEST_CASE("refusals and events of version 1 are understood") {
  const auto refusal = parse<Response>(kRefusal1);
  CHECK(refusal.failure().code() == CODE_ID_IN_USE);
  CHECK(refusal.failure().message() == "in use");
  const auto event = parse<Response>(kChanged1);
  REQUIRE(event.kind_case() == Response::kChanged);
  CHECK(event.sequence() == 0);
  CHECK(event.changed().state() == STATE_ENDED);
  CHECK(event.changed().reason() == REASON_EXITED);
  CHECK(event.changed().exit_status() == 3);
  CHECK(event.changed().uid() == 2'000'000);
  CHECK(event.changed().leaf() == "class-1-bulk/j-1-2");
}

TEST_CASE("messages of a newer version keep their known fields") {
  const auto request = parse<Request>(kHelloNewer);
  CHECK(request.hello().protocol_newest() == 2);
}

TEST_CASE("this build still writes the bytes of version 1") {
  Request request;
  request.set_sequence(1);
  request.mutable_hello()->set_protocol_oldest(1);
  request.mutable_hello()->set_protocol_newest(1);
  request.mutable_hello()->set_version("0.1");
  CHECK(request.SerializeAsString() == bytes(kHello1));
}

TEST_CASE("both sides speak the newest version that both know") {
  CHECK(agree(kProtocol, {1, 1}) == 1U);
  CHECK(agree({1, 2}, {1, 1}) == 1U);  // a launcher of N with an agent of N-1
  CHECK(agree({1, 1}, {1, 2}) == 1U);  // and the other way round
  CHECK(agree({2, 3}, {1, 2}) == 2U);
  CHECK(agree({1, 3}, {2, 5}) == 3U);
}

TEST_CASE("versions without overlap do not agree") {
  CHECK_FALSE(agree({1, 1}, {2, 3}).has_value());
  CHECK_FALSE(agree({2, 3}, {1, 1}).has_value());
  CHECK_FALSE(agree({1, 1}, {0, 0}).has_value());  // a Hello without versions
}

TEST_CASE("the guest tests speak the protocol as it is") {
  // A guest sees the tests' directory only, so its client has a copy.
  const auto text = tariff::read_file_at(AT_FDCWD, TARIFF_SOURCE "/launcher/protocol.proto");
  const auto copy = tariff::read_file_at(AT_FDCWD, TARIFF_SOURCE "/tests/guest/launcher.proto");
  REQUIRE(text.has_value());
  REQUIRE(copy.has_value());
  CHECK(*text == *copy);
}
