// SPDX-License-Identifier: Apache-2.0
#include "unit/ipc/rig.h"

using namespace tariff;
using namespace tariff::test;

namespace {

struct StreamRig : ServerRig {
  explicit StreamRig(ServerLimits limits = {}) : ServerRig(limits) {
    server.on_stream("test.Service", "Three",
                     [](CallContext&, std::string_view payload, StreamSink& sink)
                         -> asio::awaitable<Status> {
                       const std::string first(payload);
                       for (const auto& message : {first, std::string(), std::string("last")}) {
                         auto done = co_await sink.send(message);
                         if (!done) co_return done;
                       }
                       co_return ok();
                     });
    server.on_stream("test.Service", "Fail",
                     [](CallContext&, std::string_view, StreamSink& sink)
                         -> asio::awaitable<Status> {
                       auto done = co_await sink.send("one");
                       if (!done) co_return done;
                       co_return Error{ErrorKind::NotFound, "no more", {}};
                     });
    // Sends messages of as many bytes as the payload says until nobody reads them.
    server.on_stream("test.Service", "Endless",
                     [this](CallContext&, std::string_view payload, StreamSink& sink)
                         -> asio::awaitable<Status> {
                       const std::size_t size = std::stoul(std::string(payload));
                       for (;;) {
                         auto result = co_await sink.send(std::string(size, 'm'));
                         if (!result) {
                           gone = sink.gone();
                           why = result.error().text();
                           co_return result;
                         }
                         ++sent;
                       }
                     });
    server.on_stream("test.Service", "Idle",
                     [this](CallContext& call, std::string_view, StreamSink&)
                         -> asio::awaitable<Status> {
                       call.on_cancel = [this] { gate.open(); };
                       co_await gate.pass();
                       why = "idle stream ended";
                       co_return ok();
                     });
  }

  int sent = 0;
  bool gone = false;
  std::string why;
};

std::string stream_request(std::uint32_t stream, const std::string& method,
                           const std::string& payload) {
  auto bytes = request_bytes(stream, method, payload);
  bytes[9] = static_cast<char>(kRemoteClosed);
  return bytes;
}

}  // namespace

TEST_CASE("a server stream is bare Data frames and a close of its own") {
  StreamRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(5, "Three", from_hex("0a03616263"))));
  CHECK(to_hex(rig.next(peer).bytes()) == to_hex(from_hex(kDataOneMessage)));
  CHECK(rig.next(peer).header == FrameHeader{0, 5, 3, 0});  // the empty message
  CHECK(rig.next(peer).data == "last");
  CHECK(to_hex(rig.next(peer).bytes()) == to_hex(from_hex(kDataEnd)));
  CHECK(rig.until([&] { return rig.server.calls() == 0; }));
}

TEST_CASE("a stream request without its flag is served all the same") {
  StreamRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(request_bytes(1, "Three", "x")));
  CHECK(rig.next(peer).data == "x");
}

TEST_CASE("a stream that fails ends with a Response") {
  StreamRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(1, "Fail", "")));
  CHECK(rig.next(peer).data == "one");
  CHECK(rig.next_error(peer, 1) == "5 no more");
}

TEST_CASE("the client's close of its side is taken, its messages are not") {
  StreamRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(1, "Idle", "")));
  REQUIRE(peer.send(frame_bytes(FrameType::Data, 1, kRemoteClosed | kNoData, "")));
  CHECK(rig.serves(peer, 3));
  REQUIRE(peer.send(frame_bytes(FrameType::Data, 1, 0, "hello?")));
  CHECK(rig.next_error(peer, 1) == "3 data handling error: this method takes no stream");
  CHECK(rig.until([&] { return rig.server.calls() == 0; }));
}

TEST_CASE("a stream waits for a slow reader and answers get past it") {
  ServerLimits limits;
  limits.max_queued_bytes = 1'000'000;
  StreamRig rig(limits);
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(1, "Endless", "10000")));
  rig.settle();
  const int first = rig.sent;
  CHECK(first > 0);
  rig.settle();
  CHECK(rig.sent == first);  // it waits, and nothing is dropped
  CHECK(rig.server.connections() == 1);
  REQUIRE(peer.send(request_bytes(3, "Echo", "hello")));
  REQUIRE(rig.until([&] {
    const auto frame = peer.take();
    return frame && frame->header.stream == 3 && frame->response().payload() == "hello";
  }));
  REQUIRE(rig.until([&] {
    (void)peer.take();
    return rig.sent > 2 * first;
  }));
}

TEST_CASE("a stream learns that its peer is gone, also while it waits for room") {
  ServerLimits limits;
  limits.max_queued_bytes = 1'000'000;
  StreamRig rig(limits);
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(1, "Endless", "10000")));
  rig.settle();
  peer.close();
  REQUIRE(rig.until([&] { return !rig.why.empty(); }));
  CHECK(rig.gone);
  CHECK(rig.why == "nobody reads this stream any more");
  REQUIRE(rig.until([&] { return rig.server.calls() == 0; }));
}

TEST_CASE("a message over the maximum fails its send and nothing else") {
  StreamRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(1, "Endless", "4194305")));
  CHECK(rig.next_error(peer, 1) ==
        "8 message length 4194305 exceed maximum message size of 4194304");
  CHECK_FALSE(rig.gone);
  CHECK(rig.serves(peer, 3));
}

TEST_CASE("stop ends streams with a status") {
  StreamRig rig;
  auto peer = rig.connect();
  REQUIRE(peer.send(stream_request(1, "Idle", "")));
  REQUIRE(rig.until([&] { return rig.server.calls() == 1; }));
  rig.await(rig.server.stop(10s));
  CHECK(rig.why == "idle stream ended");
  CHECK(rig.next_error(peer, 1) == "14 the server is stopping");
  CHECK(peer.ended());
}
