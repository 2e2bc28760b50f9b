// SPDX-License-Identifier: Apache-2.0
#include "unit/ipc/rig.h"

using namespace tariff;
using namespace tariff::test;

TEST_CASE("a golden request is answered with the golden response of Go") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(from_hex(kUnaryRequest)));
  CHECK(to_hex(rig.next(peer).bytes()) == to_hex(from_hex(kResponseGo)));
}

TEST_CASE("an unknown method or service is UNIMPLEMENTED, in Go's words") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(from_hex(kUnaryRequest)));
  (void)rig.next(peer);
  REQUIRE(peer.send(from_hex(kUnknownMethodRequest)));
  CHECK(to_hex(rig.next(peer).bytes()) == to_hex(from_hex(kResponseUnimplemented)));
  REQUIRE(peer.send(request_bytes(5, "Echo", "", 0, "no.Such")));
  CHECK(rig.next_error(peer, 5) == "12 service no.Such");
  CHECK(rig.serves(peer, 7));
}

TEST_CASE("answers come in the order in which handlers end") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "first") + request_bytes(3, "Echo", "second")));
  CHECK(rig.next(peer).header.stream == 3);
  rig.gate.open();
  const auto late = rig.next(peer);
  CHECK(late.header.stream == 1);
  CHECK(late.response().payload() == "first");
}

TEST_CASE("a request may arrive one byte at a time") {
  ServerRig rig;
  auto peer = rig.connect();
  for (const char byte : request_bytes(1, "Echo", "slowly")) {
    REQUIRE(peer.send({&byte, 1}));
    rig.settle();
  }
  CHECK(rig.next(peer).response().payload() == "slowly");
}

TEST_CASE("an empty payload is answered with an empty payload") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Echo")));
  const auto frame = rig.next(peer);
  CHECK(frame.header.length == 0);
  CHECK(frame.response().payload().empty());
}

TEST_CASE("a payload of nearly the maximum goes both ways") {
  ServerRig rig;
  auto peer = rig.connect();
  const std::string payload(4'194'304 - 64, 'p');
  REQUIRE(rig.push(peer, request_bytes(1, "Echo", payload)));
  CHECK(rig.next(peer).response().payload() == payload);
}

TEST_CASE("an Error becomes its status code and its text with the hint") {
  ServerRig rig;
  rig.server.on_unary("test.Service", "Fail",
                      [](CallContext&, std::string_view) -> asio::awaitable<Result<std::string>> {
                        co_return Error{ErrorKind::NotFound, "no job x", "list them"};
                      });
  rig.server.on_unary("test.Service", "Throw",
                      [](CallContext&, std::string_view) -> asio::awaitable<Result<std::string>> {
                        throw std::runtime_error("boom");
                        co_return std::string();
                      });
  rig.server.on_unary("test.Service", "Garbage",
                      [](CallContext&, std::string_view) -> asio::awaitable<Result<std::string>> {
                        co_return Error{ErrorKind::Unknown, "bad \xff\xc0 text \xc3\xa9", {}};
                      });
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Fail")));
  CHECK(rig.next_error(peer, 1) == "5 no job x (list them)");
  REQUIRE(peer.send(request_bytes(3, "Throw")));
  CHECK(rig.next_error(peer, 3) == "13 the handler failed: boom");
  REQUIRE(peer.send(request_bytes(5, "Garbage")));
  CHECK(rig.next_error(peer, 5) == "2 bad ?? text \xc3\xa9");
}

TEST_CASE("a handler sees who calls, the deadline and the metadata") {
  ServerRig rig;
  rig.server.on_unary("test.Service", "Who",
                      [](CallContext& call, std::string_view)
                          -> asio::awaitable<Result<std::string>> {
                        co_return std::to_string(call.peer.local) + " " +
                            std::to_string(call.peer.uid == ::getuid()) + " " +
                            std::to_string(call.peer.pid == ::getpid()) + " " +
                            std::to_string(call.deadline.has_value()) + " " +
                            call.metadata["class"];
                      });
  auto peer = rig.connect();
  ttrpc::Request request;
  request.set_service("test.Service");
  request.set_method("Who");
  request.set_timeout_nano(60'000'000'000);
  for (const auto& [key, value] : {std::pair("class", "low"), std::pair("Class", "high")}) {
    auto* entry = request.add_metadata();
    entry->set_key(key);
    entry->set_value(value);
  }
  REQUIRE(peer.send(frame_bytes(FrameType::Request, 1, 0, request.SerializeAsString())));
  CHECK(rig.next(peer).response().payload() == "1 1 1 1 high");
}

TEST_CASE("a call that is not answered in its time is answered DEADLINE_EXCEEDED") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "x", 1'000'000)));
  CHECK(rig.next_error(peer, 1) == "4 context deadline exceeded");
  CHECK(rig.cancelled == 1);
  rig.gate.open();  // the late result is dropped
  CHECK(rig.serves(peer, 3));
  CHECK(rig.waiting == 0);
}

TEST_CASE("a timeout that is over already is answered at once, an absurd one is none") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "x", -1)));
  CHECK(rig.next_error(peer, 1) == "4 context deadline exceeded");
  CHECK(rig.waiting == 0);
  rig.gate.open();
  REQUIRE(peer.send(request_bytes(3, "Wait", "x", INT64_MAX)));
  CHECK(rig.next(peer).response().payload() == "x");
}

TEST_CASE("an answer over the maximum is RESOURCE_EXHAUSTED on its stream only") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Big", "4194304")));
  CHECK(rig.next_error(peer, 1) ==
        "8 message length 4194309 exceed maximum message size of 4194304");
  CHECK(rig.serves(peer, 3));
}

TEST_CASE("calls beyond max_streams are refused until others have ended") {
  ServerLimits limits;
  limits.max_streams = 2;
  ServerRig rig(limits);
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait") + request_bytes(3, "Wait") +
                    request_bytes(5, "Wait")));
  CHECK(rig.next_error(peer, 5) == "8 too many calls under way on this connection (at most 2)");
  rig.gate.open();
  (void)rig.next(peer);
  (void)rig.next(peer);
  CHECK(rig.serves(peer, 7));
}

TEST_CASE("calls that nobody waits for any more still count against max_calls") {
  ServerLimits limits;
  limits.max_calls = 3;
  ServerRig rig(limits);
  for (int i = 0; i < 3; ++i) {
    auto gone = rig.connect();
    REQUIRE(gone.send(request_bytes(1, "Wait")));
    REQUIRE(rig.until([&] { return rig.waiting == i + 1; }));
  }
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait")));
  CHECK(rig.next_error(peer, 1) == "8 too many calls under way (at most 3)");
  REQUIRE(rig.until([&] { return rig.cancelled == 3; }));
  CHECK(rig.server.connections() == 1);
  rig.gate.open();
  REQUIRE(rig.until([&] { return rig.server.calls() == 0; }));
  CHECK(rig.serves(peer, 3));
}

TEST_CASE("a peer that only half closes gets its answers, then the end") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "late")));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  peer.half_close();
  rig.settle();
  CHECK_FALSE(peer.ended());
  CHECK(rig.cancelled == 0);
  rig.gate.open();
  CHECK(rig.next(peer).response().payload() == "late");
  REQUIRE(rig.until([&] { return peer.ended(); }));
  REQUIRE(rig.until([&] { return rig.server.connections() == 0; }));
}

TEST_CASE("a peer that half closes and then goes away is noticed") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "late")));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  peer.half_close();
  rig.settle();
  CHECK(rig.cancelled == 0);
  peer.close();
  REQUIRE(rig.until([&] { return rig.cancelled == 1; }));
  CHECK(rig.server.connections() == 0);
}

TEST_CASE("a handler whose peer is gone is told once, and its result is dropped") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "x")));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  peer.close();
  REQUIRE(rig.until([&] { return rig.cancelled == 1; }));
  CHECK(rig.server.connections() == 0);
  CHECK(rig.server.calls() == 1);
  rig.gate.open();
  REQUIRE(rig.until([&] { return rig.server.calls() == 0; }));
  CHECK(rig.cancelled == 1);
}

TEST_CASE("stop answers what is under way, refuses what is new and closes") {
  ServerRig rig;
  auto peer = rig.connect();
  auto idle = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait", "late")));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  bool stopped = false;
  asio::co_spawn(rig.io, rig.server.stop(10s), [&](std::exception_ptr) { stopped = true; });
  REQUIRE(rig.until([&] { return idle.ended(); }));
  CHECK(rig.cancelled == 1);
  REQUIRE(peer.send(request_bytes(3, "Echo", "too late")));
  CHECK(rig.next_error(peer, 3) == "14 the server is stopping");
  CHECK_FALSE(stopped);
  rig.gate.open();
  CHECK(rig.next(peer).response().payload() == "late");
  REQUIRE(rig.until([&] { return stopped; }));
  CHECK(peer.ended());
  CHECK(rig.server.calls() == 0);
}

TEST_CASE("stop ends handlers that do not end by themselves") {
  ServerRig rig;
  auto peer = rig.connect();
  auto gone = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait")));
  REQUIRE(gone.send(request_bytes(1, "Wait")));
  REQUIRE(rig.until([&] { return rig.waiting == 2; }));
  gone.close();
  rig.await(rig.server.stop(1ms));
  CHECK(peer.ended());
  CHECK(rig.server.calls() == 0);
  CHECK(rig.server.connections() == 0);
}
