// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ipc/socket.h"
#include "unit/ipc/rig.h"

using namespace tariff;
using namespace tariff::test;

namespace {

/// A client whose server is a test that reads and writes bytes.
struct ClientRig : Loop {
  ClientRig() : peer(Fd()) {
    auto pair = socket_pair();
    peer = RawPeer(std::move(pair.here));
    auto adopted = Client::adopt(io, std::move(pair.there));
    REQUIRE(adopted);
    client = *adopted;
  }

  using Call = std::shared_ptr<std::optional<Result<std::string>>>;

  Call call(std::string method, std::string payload, std::chrono::nanoseconds timeout = 0ns) {
    const std::string service = "test.Service";
    // The names must live until the call has begun, which is when the loop runs it.
    auto pending = begin(client->call_raw(service, method, std::move(payload), timeout));
    settle();
    return pending;
  }

  Frame next() {
    std::optional<Frame> frame;
    REQUIRE(until([&] { return (frame = peer.take()).has_value(); }));
    return std::move(*frame);
  }

  void answer(std::uint32_t stream, const std::string& payload) {
    ttrpc::Response response;
    response.set_payload(payload);
    REQUIRE(peer.send(frame_bytes(FrameType::Response, stream, 0, response.SerializeAsString())));
  }

  std::string outcome(const Call& call) {
    REQUIRE(until([&] { return call->has_value(); }));
    const auto& result = **call;
    return result ? *result
                  : std::to_string(static_cast<int>(result.error().kind)) + " " +
                        result.error().text();
  }

  RawPeer peer;
  std::shared_ptr<Client> client;
};

std::string kind(ErrorKind kind) { return std::to_string(static_cast<int>(kind)) + " "; }

struct TemporaryDirectory {
  TemporaryDirectory() {
    char name[] = "/tmp/tariff-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

TEST_CASE("a client writes the request that Go writes") {
  ClientRig rig;
  (void)rig.call("Nope", "", 1s);
  const auto frame = rig.next();
  CHECK(frame.header.stream == 1);
  CHECK(frame.header.flags == 0);
  ttrpc::Request request;
  REQUIRE(request.ParseFromString(frame.data));
  CHECK(request.service() == "test.Service");
  CHECK(request.method() == "Nope");
  CHECK(request.timeout_nano() == 1'000'000'000);
}

TEST_CASE("several calls are under way at once and answers find them in any order") {
  ClientRig rig;
  const auto one = rig.call("A", "1");
  const auto two = rig.call("B", "2");
  const auto three = rig.call("C", "3");
  CHECK(rig.next().header.stream == 1);
  CHECK(rig.next().header.stream == 3);
  CHECK(rig.next().header.stream == 5);
  rig.answer(5, "third");
  rig.answer(1, "first");
  rig.answer(3, "second");
  CHECK(rig.outcome(one) == "first");
  CHECK(rig.outcome(two) == "second");
  CHECK(rig.outcome(three) == "third");
}

TEST_CASE("success is understood as Go and as Rust say it") {
  ClientRig rig;
  const auto go = rig.call("A", "");
  REQUIRE(rig.peer.send(from_hex(kResponseGo)));
  CHECK(to_hex(rig.outcome(go)) == "0a03616263");
  const auto rust = rig.call("A", "");
  auto bytes = from_hex(kResponseRust);
  bytes[7] = 3;  // the stream id
  REQUIRE(rig.peer.send(bytes));
  CHECK(to_hex(rig.outcome(rust)) == "0a03616263");
}

TEST_CASE("a status becomes an Error") {
  ClientRig rig;
  (void)rig.call("A", "");
  const auto unknown = rig.call("Nope", "");
  REQUIRE(rig.peer.send(from_hex(kResponseUnimplemented)));
  CHECK(rig.outcome(unknown) ==
        kind(ErrorKind::FailedPrecondition) + "the other side does not know method Nope");
  const auto large = rig.call("A", "");
  REQUIRE(rig.peer.send(from_hex(kResponseExhausted)));
  CHECK(rig.outcome(large).starts_with(kind(ErrorKind::ResourceExhausted) + "message length"));
}

TEST_CASE("a call gives up after its timeout and its late answer is ignored") {
  ClientRig rig;
  const auto slow = rig.call("A", "", 2ms);
  CHECK(rig.outcome(slow) == kind(ErrorKind::DeadlineExceeded) + "A: no answer within 2 ms");
  rig.answer(1, "too late");
  rig.answer(99, "nobody asked");
  const auto next = rig.call("B", "");
  rig.answer(3, "fine");
  CHECK(rig.outcome(next) == "fine");
}

TEST_CASE("a lost connection fails every call under way and every later one") {
  ClientRig rig;
  const auto one = rig.call("A", "");
  const auto two = rig.call("B", "");
  rig.peer.close();
  CHECK(rig.outcome(one).starts_with(kind(ErrorKind::Unavailable) + "the connection is lost"));
  CHECK(rig.outcome(two).starts_with(kind(ErrorKind::Unavailable) + "the connection is lost"));
  CHECK_FALSE(rig.client->connected());
  CHECK(rig.outcome(rig.call("C", "")).starts_with(kind(ErrorKind::Unavailable)));
}

TEST_CASE("a client that is turned away knows why, whenever it asks") {
  const auto refusal = [] {
    ttrpc::Response response;
    response.mutable_status()->set_code(8);
    response.mutable_status()->set_message("too many connections");
    return frame_bytes(FrameType::Response, 1, 0, response.SerializeAsString());
  };
  const std::string told = kind(ErrorKind::ResourceExhausted) + "too many connections";
  {
    ClientRig early;
    const auto call = early.call("A", "");
    REQUIRE(early.peer.send(refusal()));
    early.peer.close();
    CHECK(early.outcome(call) == told);
  }
  {
    ClientRig at_once;  // the loop sees the answer and the end together, and a write that fails
    REQUIRE(at_once.peer.send(refusal()));
    at_once.peer.close();
    CHECK(at_once.outcome(at_once.call("A", "")) == told);
  }
  ClientRig late;
  REQUIRE(late.peer.send(refusal()));
  late.settle();
  CHECK(late.outcome(late.call("A", "")) == told);
  late.peer.close();
  late.settle();
  CHECK(late.outcome(late.call("A", "")) == told);
}

TEST_CASE("closing a client fails its calls and ends its coroutines") {
  ClientRig rig;
  const auto call = rig.call("A", "");
  rig.await(rig.client->stop());
  CHECK(rig.outcome(call) ==
        kind(ErrorKind::Unavailable) + "the connection is lost: it was closed here");
  CHECK(rig.peer.next_is_end());
}

TEST_CASE("a request over the maximum is refused here and nothing is sent") {
  ClientRig rig;
  const auto call = rig.call("A", std::string(4'194'304, 'x'));
  CHECK(rig.outcome(call).starts_with(kind(ErrorKind::ResourceExhausted) + "message length"));
  CHECK_FALSE(rig.peer.take().has_value());
  CHECK(rig.client->connected());
}

TEST_CASE("a malformed answer or one of the wrong shape fails its call only") {
  ClientRig rig;
  const auto one = rig.call("A", "");
  const auto two = rig.call("B", "");
  const auto three = rig.call("C", "");
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Response, 1, 0, "\xff\xff")));
  REQUIRE(rig.peer.send(from_hex("00000000 00000003 03 00")));
  rig.answer(5, "fine");
  CHECK(rig.outcome(one) == kind(ErrorKind::Internal) + "the server's answer is malformed");
  CHECK(rig.outcome(two) ==
        kind(ErrorKind::Internal) + "the server answered a call with a stream");
  CHECK(rig.outcome(three) == "fine");
}

TEST_CASE("a stream is read to its end, to its error, or until the reader has enough") {
  ClientRig rig;
  std::vector<std::string> messages;
  std::shared_ptr<std::optional<Status>> ended;
  std::size_t enough = 100;
  const std::string service = "test.Service", method = "Watch";
  const auto begin = [&] {
    messages.clear();
    ended = rig.begin(rig.client->stream(service, method, "all", [&](std::string_view message) {
      messages.emplace_back(message);
      return messages.size() < enough;
    }));
    const auto frame = rig.next();
    CHECK(frame.header.flags == kRemoteClosed);
    return frame.header.stream;
  };

  auto stream = begin();
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Data, stream, 0, "one")));
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Data, stream, 0, "")));
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Data, stream, kRemoteClosed | kNoData, "")));
  REQUIRE(rig.until([&] { return ended->has_value(); }));
  CHECK((*ended)->has_value());
  CHECK(messages == std::vector<std::string>{"one", ""});

  stream = begin();
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Data, stream, kRemoteClosed, "last, with its end")));
  REQUIRE(rig.until([&] { return ended->has_value(); }));
  CHECK((*ended)->has_value());
  CHECK(messages.size() == 1);

  stream = begin();
  ttrpc::Response failed;
  failed.mutable_status()->set_code(14);
  REQUIRE(rig.peer.send(
      frame_bytes(FrameType::Response, stream, 0, failed.SerializeAsString())));
  REQUIRE(rig.until([&] { return ended->has_value(); }));
  REQUIRE_FALSE((*ended)->has_value());
  CHECK((*ended)->error().text() == "the server answered UNAVAILABLE");

  enough = 1;
  stream = begin();
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Data, stream, 0, "one")));
  REQUIRE(rig.peer.send(frame_bytes(FrameType::Data, stream, 0, "two")));
  REQUIRE(rig.until([&] { return ended->has_value(); }));
  CHECK((*ended)->has_value());
  CHECK(messages.size() == 1);
}

TEST_CASE("two ends that both write a lot do not stand still") {
  ServerRig rig;
  auto pair = socket_pair();
  REQUIRE(rig.server.adopt(std::move(pair.there)));
  auto client = *Client::adopt(rig.io, std::move(pair.here));
  constexpr int kCalls = 12;
  const std::string service = "test.Service", method = "Echo";
  const std::string payload(1'000'000, 'w');  // many times what a socket buffer holds
  std::vector<ClientRig::Call> calls;
  for (int i = 0; i < kCalls; ++i)
    calls.push_back(rig.begin(client->call_raw(service, method, payload, 0ns)));
  for (const auto& call : calls) {
    REQUIRE(rig.until([&] { return call->has_value(); }));
    REQUIRE((*call)->has_value());
    CHECK(***call == payload);
  }
  rig.await(client->stop());
  rig.await(rig.server.stop(1s));
}

TEST_CASE("a client connects to a path with the mode that was asked for") {
  TemporaryDirectory directory;
  ServerRig rig;
  const std::string path = directory.path + "/agent.sock";
  REQUIRE(rig.server.listen_unix_path(path, 0660));
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
  auto client = rig.await(Client::connect(rig.io, path, 1s));
  REQUIRE(client);
  auto reply = rig.await((*client)->call_raw("test.Service", "Echo", "hello", 1s));
  REQUIRE(reply);
  CHECK(*reply == "hello");
  CHECK(rig.server.connections() == 1);
  rig.await((*client)->stop());
  rig.await(rig.server.stop(1s));

  ServerRig again;  // the socket left behind is replaced, a file is not
  CHECK(again.server.listen_unix_path(path, 0600));
  std::ofstream(directory.path + "/file") << "precious";
  const auto refused = again.server.listen_unix_path(directory.path + "/file", 0600);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::AlreadyExists);
  again.await(again.server.stop(1s));
}

TEST_CASE("a client connects over TCP, which listens on loopback only") {
  ServerRig rig;
  const auto open = rig.server.listen_tcp("0.0.0.0:0");
  REQUIRE_FALSE(open);
  CHECK(open.error().kind == ErrorKind::InvalidArgument);
  for (const auto* bad : {"", "7070", "localhost:7070", "127.0.0.1:", "127.0.0.1:70000", "[::1]"})
    CHECK_FALSE(rig.server.listen_tcp(bad));
  REQUIRE(rig.server.listen_tcp("127.0.0.1:0"));
  const auto endpoint = "127.0.0.1:" + std::to_string(rig.server.tcp_port());
  auto client = rig.await(Client::connect(rig.io, endpoint, 1s));
  REQUIRE(client);
  auto reply = rig.await((*client)->call_raw("test.Service", "Echo", "hello", 1s));
  REQUIRE(reply);
  CHECK(*reply == "hello");
  rig.await((*client)->stop());
  rig.await(rig.server.stop(1s));
}

TEST_CASE("what cannot be connected to is said with its name") {
  Loop loop;
  const auto absent = loop.await(Client::connect(loop.io, "/nonexistent/agent.sock", 1s));
  REQUIRE_FALSE(absent);
  CHECK(absent.error().kind == ErrorKind::NotFound);
  CHECK(absent.error().text() ==
        "cannot connect to /nonexistent/agent.sock: No such file or directory (is it running?)");
  const auto relative = loop.await(Client::connect(loop.io, "agent.sock", 1s));
  REQUIRE_FALSE(relative);
  CHECK(relative.error().kind == ErrorKind::InvalidArgument);
  const auto too_long = loop.await(Client::connect(loop.io, "/" + std::string(200, 'a'), 1s));
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().kind == ErrorKind::InvalidArgument);
}
