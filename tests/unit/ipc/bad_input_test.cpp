// SPDX-License-Identifier: Apache-2.0
// What a peer can do wrong, by accident or not: each costs its own call or its own connection.
#include <random>

#include "unit/ipc/rig.h"

using namespace tariff;
using namespace tariff::test;

namespace {

std::string header_only(std::uint32_t length, std::uint32_t stream, std::uint8_t type) {
  const auto head = encode({length, stream, type, 0});
  return {head.begin(), head.end()};
}

}  // namespace

TEST_CASE("a frame one byte over the maximum is discarded and answered in Go's words") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(header_only(4'194'305, 5, 1)));
  REQUIRE(rig.push(peer, std::string(4'194'305, 'z')));
  CHECK(to_hex(rig.next(peer).bytes()) == to_hex(from_hex(kResponseExhausted)));
  CHECK(rig.serves(peer, 7));
}

TEST_CASE("a length that is absurd is answered and ends the connection without a byte being read") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(header_only(0xffffffff, 1, 1)));
  CHECK(rig.next_error(peer, 1) ==
        "8 message length 4294967295 exceed maximum message size of 4194304");
  REQUIRE(rig.until([&] { return peer.ended(); }));
  CHECK(rig.server.connections() == 0);
}

TEST_CASE("what is no Request, or has text that is not UTF-8, is INVALID_ARGUMENT") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(frame_bytes(FrameType::Request, 1, 0, "\xff\xff\xff")));
  CHECK(rig.next_error(peer, 1).starts_with("3 unmarshal request error: "));
  // Field 1 (service), two bytes that are no UTF-8.
  REQUIRE(peer.send(frame_bytes(FrameType::Request, 3, 0, "\x0a\x02\xc3\x28")));
  CHECK(rig.next_error(peer, 3).starts_with("3 unmarshal request error: "));
  CHECK(rig.serves(peer, 5));
}

TEST_CASE("fields that we do not know are ignored") {
  ServerRig rig;
  auto peer = rig.connect();
  auto data = request_bytes(1, "Echo", "known").substr(kHeaderBytes);
  data += "\xfa\x01\x03new";  // field 31, three bytes
  REQUIRE(peer.send(frame_bytes(FrameType::Request, 1, 0, data)));
  CHECK(rig.next(peer).response().payload() == "known");
}

TEST_CASE("even and re-used stream ids are answered as Go does") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(2, "Echo")));
  CHECK(rig.next_error(peer, 2) == "3 StreamID must be odd for client initiated streams");
  REQUIRE(peer.send(request_bytes(0, "Echo")));
  CHECK(rig.next_error(peer, 0) == "3 StreamID must be odd for client initiated streams");
  CHECK(rig.serves(peer, 9));
  REQUIRE(peer.send(request_bytes(9, "Echo")));
  CHECK(rig.next_error(peer, 9) == "3 StreamID cannot be re-used and must increment");
  REQUIRE(peer.send(request_bytes(7, "Echo")));
  CHECK(rig.next_error(peer, 7) == "3 StreamID cannot be re-used and must increment");
  CHECK(rig.serves(peer, 11));
}

TEST_CASE("Data on the id of a unary call ends that call with INVALID_ARGUMENT") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Wait")));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  REQUIRE(peer.send(frame_bytes(FrameType::Data, 1, 0, "more")));
  CHECK(rig.next_error(peer, 1) == "3 data handling error: this method takes no stream");
  CHECK(rig.cancelled == 1);
  rig.gate.open();  // its late result is not a second answer
  CHECK(rig.serves(peer, 3));
}

TEST_CASE("Data on an id that is not active is INVALID_ARGUMENT") {
  ServerRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(frame_bytes(FrameType::Data, 1, 0, "what")));
  CHECK(rig.next_error(peer, 1) == "3 StreamID is no longer active");
  CHECK(rig.serves(peer, 3));
  REQUIRE(peer.send(frame_bytes(FrameType::Data, 3, kRemoteClosed | kNoData, "")));
  CHECK(rig.next_error(peer, 3) == "3 StreamID is no longer active");
  REQUIRE(peer.send(frame_bytes(FrameType::Data, 4, 0, "")));
  CHECK(rig.next_error(peer, 4) == "3 StreamID must be odd for client initiated streams");
}

TEST_CASE("frames of a type that we do not know are ignored") {
  ServerRig rig;
  auto peer = rig.connect();
  for (const int type : {0, 2, 4, 255})
    REQUIRE(peer.send(frame_bytes(static_cast<FrameType>(type), 2, 0xff, "later version")));
  CHECK(rig.serves(peer, 1));
}

TEST_CASE("a frame that is not completed in time costs the connection") {
  ServerLimits limits;
  limits.partial_frame_deadline = 5ms;
  ServerRig rig(limits);
  auto silent = rig.connect();
  auto slow_header = rig.connect();
  auto slow_body = rig.connect();
  REQUIRE(slow_header.send(std::string(3, '\0')));
  REQUIRE(slow_body.send(header_only(1'000'000, 1, 1) + "begun"));
  REQUIRE(rig.until([&] { return slow_header.ended() && slow_body.ended(); }));
  CHECK_FALSE(silent.ended());  // silence between frames is a client's right
  CHECK(rig.serves(silent, 1));
}

TEST_CASE("a peer that reads nothing is dropped when its queue is full; others are served") {
  ServerLimits limits;
  limits.max_queued_bytes = 1'000'000;
  ServerRig rig(limits);
  auto deaf = rig.connect();
  auto other = rig.connect();
  std::uint32_t stream = 1, served = 1;
  REQUIRE(rig.until([&] {
    (void)deaf.send(request_bytes(stream, "Big", "500000"));
    stream += 2;
    rig.settle();
    REQUIRE(rig.serves(other, served));
    served += 2;
    return rig.server.connections() == 1;
  }));
  CHECK(stream < 20);
  CHECK(rig.serves(other, served));
}

TEST_CASE("a peer that reads nothing for the write deadline is dropped; others are served") {
  ServerLimits limits;
  limits.write_deadline = 5ms;
  ServerRig rig(limits);
  auto deaf = rig.connect();
  auto other = rig.connect();
  REQUIRE(deaf.send(request_bytes(1, "Big", "4000000")));
  REQUIRE(rig.until([&] { return rig.server.connections() == 1; }));
  CHECK(rig.serves(other, 1));
}

TEST_CASE("when all connections together hold too much, the one that holds most is closed") {
  ServerLimits limits;
  limits.max_buffered_bytes = 1'000'000;
  ServerRig rig(limits);
  auto small = rig.connect();
  auto large = rig.connect();
  auto other = rig.connect();
  REQUIRE(small.send(header_only(300'000, 1, 1)));
  REQUIRE(rig.push(small, std::string(200'000, 'z')));
  REQUIRE(large.send(header_only(4'000'000, 1, 1)));
  CHECK_FALSE(rig.push(large, std::string(2'000'000, 'z')));
  CHECK(rig.serves(other, 1));
  REQUIRE(rig.push(small, std::string(100'000, 'z')));  // no protobuf, but a whole frame
  CHECK(rig.next_error(small, 1).starts_with("3 unmarshal request error"));
}

TEST_CASE("payloads of calls that nobody waits for any more count until their handlers end") {
  ServerLimits limits;
  limits.max_buffered_bytes = 1'250'000;  // a payload counts twice while it is taken over
  ServerRig rig(limits);
  auto gone = rig.connect();
  REQUIRE(rig.push(gone, request_bytes(1, "Wait", std::string(600'000, 'p'))));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  gone.close();
  REQUIRE(rig.until([&] { return rig.cancelled == 1; }));
  auto peer = rig.connect();
  REQUIRE(rig.push(peer, request_bytes(1, "Wait", std::string(700'000, 'p'))));
  CHECK(rig.next_error(peer, 1) == "8 too many calls under way: their payloads fill the memory");
  CHECK(rig.serves(peer, 3));  // a small one is no trouble
  ServerLimits tighter = limits;
  tighter.max_buffered_bytes = 500'000;  // less than what the waiting handler holds
  rig.server.set_limits(tighter);
  CHECK(rig.serves(peer, 5));  // not even while the bound is exceeded
  rig.server.set_limits(limits);
  rig.gate.open();
  REQUIRE(rig.until([&] { return rig.server.calls() == 0; }));
  REQUIRE(rig.push(peer, request_bytes(7, "Wait", std::string(300'000, 'p'))));
  CHECK(rig.next(peer).response().payload().size() == 300'000);
}

TEST_CASE("a connection beyond the limit is told so and closed at once") {
  ServerLimits limits;
  limits.max_connections = 2;
  ServerRig rig(limits);
  std::vector<RawPeer> peers;
  std::size_t allowed = limits.max_connections + (::getuid() == 0 ? 16 : 0);
  for (std::size_t i = 0; i < allowed; ++i) peers.push_back(rig.connect());
  auto pair = socket_pair();
  RawPeer refused(std::move(pair.here));
  CHECK_FALSE(rig.server.adopt(std::move(pair.there)));
  CHECK(rig.next_error(refused, 1).starts_with("8 too many connections"));
  CHECK(refused.ended());
  peers.pop_back();
  rig.settle();
  auto next = rig.connect();
  CHECK(rig.serves(next, 1));
}

TEST_CASE("when all connections are taken, who was idle longest makes room") {
  ServerLimits limits;
  limits.max_connections = 3;
  limits.idle_under_pressure = 0ms;
  ServerRig rig(limits);
  const auto connect = [&](bool local) {
    Peer who;
    who.local = local;
    who.uid = 1'000;
    auto pair = socket_pair();
    CHECK(rig.server.adopt(std::move(pair.there), who));
    return RawPeer(std::move(pair.here));
  };
  auto busy = connect(true);
  REQUIRE(busy.send(request_bytes(1, "Wait")));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));
  auto idle = connect(true);
  auto later = connect(true);
  CHECK(rig.serves(later, 1));
  auto next = connect(true);
  CHECK(rig.serves(next, 1));
  CHECK(idle.ended());
  CHECK_FALSE(later.ended());
  CHECK_FALSE(busy.ended());
  // A remote peer finds no remote one that could give way.
  auto pair = socket_pair();
  CHECK_FALSE(rig.server.adopt(std::move(pair.there), Peer()));
  rig.gate.open();
}

TEST_CASE("whoever has just been active is not put out for others") {
  ServerLimits limits;
  limits.max_connections = 2;
  ServerRig rig(limits);
  Peer member;
  member.local = true;
  member.uid = 1'000;
  auto first = socket_pair();
  auto second = socket_pair();
  auto third = socket_pair();
  CHECK(rig.server.adopt(std::move(first.there), member));
  CHECK(rig.server.adopt(std::move(second.there), member));
  CHECK_FALSE(rig.server.adopt(std::move(third.there), member));
}

TEST_CASE("thousands of tiny bad frames in one go are each answered") {
  ServerRig rig;
  auto peer = rig.connect();
  std::string flood;
  constexpr int kFrames = 5'000;
  for (int i = 0; i < kFrames; ++i) flood += header_only(0, 2, 1);
  REQUIRE(peer.send(flood));
  for (int i = 0; i < kFrames; ++i)
    REQUIRE(rig.next_error(peer, 2).starts_with("3 StreamID must be odd"));
  CHECK(rig.serves(peer, 1));
}

TEST_CASE("random bytes end at most their own connection") {
  ServerLimits limits;
  limits.partial_frame_deadline = 1ms;
  ServerRig rig(limits);
  auto witness = rig.connect();
  std::uint32_t stream = 1;
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    auto peer = rig.connect();
    std::string bytes;
    for (int frames = 0; frames < 20; ++frames) {
      // Half the time a plausible header, so that the random bytes get past it.
      std::string data(random() % 64, '\0');
      for (auto& byte : data) byte = static_cast<char>(random());
      if (random() % 2 == 0)
        bytes += header_only(static_cast<std::uint32_t>(data.size()), random() % 16,
                             static_cast<std::uint8_t>(random() % 5));
      bytes += data;
    }
    (void)peer.send(bytes);
    if (seed % 2 == 0) peer.half_close();
    rig.settle();
    REQUIRE(rig.serves(witness, stream));
    stream += 2;
  }
  rig.await(rig.server.stop(1s));
  CHECK(rig.server.connections() == 0);
}
