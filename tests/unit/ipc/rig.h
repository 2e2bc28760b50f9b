// SPDX-License-Identifier: Apache-2.0
// What the ipc tests stand on: one io_context that is run until something has happened (bounded,
// no sleeping), and a peer that writes and reads raw bytes on the other end of a socketpair.
#pragma once

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "ipc/client.h"
#include "ipc/frame.h"
#include "ipc/proto/ttrpc.pb.h"
#include "ipc/server.h"
#include "support/catch.h"
#include "unit/ipc/hex.h"

namespace tariff::test {

using namespace tariff::ipc;
using namespace std::chrono_literals;

struct Frame {
  FrameHeader header;
  std::string data;

  [[nodiscard]] ttrpc::Response response() const {
    ttrpc::Response response;
    REQUIRE(header.is(FrameType::Response));
    REQUIRE(response.ParseFromString(data));
    return response;
  }
  [[nodiscard]] std::string bytes() const {
    const auto head = encode(header);
    return std::string(head.begin(), head.end()) + data;
  }
};

inline std::string frame_bytes(FrameType type, std::uint32_t stream, std::uint8_t flags,
                               std::string data) {
  return Frame{{static_cast<std::uint32_t>(data.size()), stream, static_cast<std::uint8_t>(type),
                flags}, std::move(data)}.bytes();
}

inline std::string request_bytes(std::uint32_t stream, const std::string& method,
                                 std::string payload = {}, std::int64_t timeout_nano = 0,
                                 const std::string& service = "test.Service") {
  ttrpc::Request request;
  request.set_service(service);
  request.set_method(method);
  request.set_payload(std::move(payload));
  request.set_timeout_nano(timeout_nano);
  return frame_bytes(FrameType::Request, stream, 0, request.SerializeAsString());
}

/// One end of a connection, in bytes. Never blocks.
class RawPeer {
 public:
  explicit RawPeer(Fd fd) : fd_(std::move(fd)) {}

  /// Writes as much as the socket takes now; how much that was.
  std::size_t send_some(std::string_view bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    return sent;
  }
  /// True when all of it went.
  bool send(std::string_view bytes) { return send_some(bytes) == bytes.size(); }

  void pull() {
    char buffer[65'536];
    for (;;) {
      const auto n = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) {
        inbox_.append(buffer, static_cast<std::size_t>(n));
        continue;
      }
      if (n == 0 || errno != EAGAIN) ended_ = true;
      return;
    }
  }

  /// The next whole frame, if it is there.
  std::optional<Frame> take() {
    pull();
    if (inbox_.size() < kHeaderBytes) return std::nullopt;
    HeaderBytes head{};
    std::copy_n(inbox_.begin(), kHeaderBytes, head.begin());
    const auto header = decode(head);
    if (inbox_.size() < kHeaderBytes + header.length) return std::nullopt;
    Frame frame{header, inbox_.substr(kHeaderBytes, header.length)};
    inbox_.erase(0, kHeaderBytes + header.length);
    return frame;
  }

  /// Whether the other end has closed.
  bool ended() {
    pull();
    return ended_;
  }

  /// Whether nothing more can come: no bytes left, and the other end has closed.
  bool next_is_end() {
    while (take()) {
    }
    return inbox_.empty() && ended_;
  }

  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  [[nodiscard]] int get() const { return fd_.get(); }

 private:
  Fd fd_;
  std::string inbox_;
  bool ended_ = false;
};

struct SocketPair {
  Fd here;
  Fd there;
};

inline SocketPair socket_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  return {Fd::adopt(ends[0]), Fd::adopt(ends[1])};
}

/// An io_context that is run until a condition holds; the bound is what only a hang exceeds.
struct Loop {
  asio::io_context io;

  template <typename Condition>
  [[nodiscard]] bool until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      if (io.stopped()) io.restart();
      io.run_one_for(1ms);
    }
    return true;
  }

  /// Runs until nothing is ready: what could happen at once has happened.
  void settle() {
    if (io.stopped()) io.restart();
    while (io.poll() > 0) {
    }
  }

  /// Runs one coroutine to its end and returns what it returned.
  template <typename T>
  T await(asio::awaitable<T> work) {
    const auto result = begin(std::move(work));
    REQUIRE(until([&] { return result->has_value(); }));
    return std::move(**result);
  }

  /// Starts a coroutine whose result will lie where the pointer says.
  template <typename T>
  std::shared_ptr<std::optional<T>> begin(asio::awaitable<T> work) {
    auto result = std::make_shared<std::optional<T>>();
    asio::co_spawn(io, store(std::move(work), result), [](std::exception_ptr failure) {
      REQUIRE_FALSE(failure);
    });
    return result;
  }
  void await(asio::awaitable<void> work) {
    bool done = false;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr failure) {
      REQUIRE_FALSE(failure);
      done = true;
    });
    REQUIRE(until([&] { return done; }));
  }

 private:
  /// co_spawn wants results that have a default, which a Result has not.
  template <typename T>
  static asio::awaitable<void> store(asio::awaitable<T> work,
                                     std::shared_ptr<std::optional<T>> result) {
    T value = co_await std::move(work);
    result->emplace(std::move(value));
  }
};

/// Holds handlers back until it is opened.
class Gate {
 public:
  explicit Gate(asio::io_context& io)
      : timer_(io, std::chrono::steady_clock::time_point::max()) {}
  void open() {
    open_ = true;
    timer_.cancel();
  }
  asio::awaitable<void> pass() {
    if (!open_) (void)co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

 private:
  bool open_ = false;
  asio::steady_timer timer_;
};

/// A server with the methods that the tests call, and peers connected to it.
struct ServerRig : Loop {
  explicit ServerRig(ServerLimits limits = {}) : gate(io), server(io, limits) {
    const auto echo = [](CallContext&, std::string_view payload)
        -> asio::awaitable<Result<std::string>> { co_return std::string(payload); };
    server.on_unary("test.Service", "Echo", echo);
    server.on_unary("ttrpc.example.v1.Example", "Method1", echo);
    server.on_unary("test.Service", "Wait",
                    [this](CallContext& call, std::string_view payload)
                        -> asio::awaitable<Result<std::string>> {
                      ++waiting;
                      call.on_cancel = [this] { ++cancelled; };
                      co_await gate.pass();
                      --waiting;
                      co_return std::string(payload);
                    });
    server.on_unary("test.Service", "Big",
                    [](CallContext&, std::string_view payload)
                        -> asio::awaitable<Result<std::string>> {
                      co_return std::string(std::stoul(std::string(payload)), 'x');
                    });
  }

  RawPeer connect() {
    auto pair = socket_pair();
    REQUIRE(server.adopt(std::move(pair.there)));
    return RawPeer(std::move(pair.here));
  }

  /// Writes as fast as the server reads; false if it closed the connection first.
  bool push(RawPeer& peer, std::string_view bytes) {
    REQUIRE(until([&] {
      bytes.remove_prefix(peer.send_some(bytes));
      return bytes.empty() || peer.ended();
    }));
    return bytes.empty();
  }

  Frame next(RawPeer& peer) {
    std::optional<Frame> frame;
    REQUIRE(until([&] { return (frame = peer.take()).has_value() || peer.ended(); }));
    REQUIRE(frame.has_value());
    return std::move(*frame);
  }

  /// Code and text of the next frame, which must be a Response on this stream.
  std::string next_error(RawPeer& peer, std::uint32_t stream) {
    const auto frame = next(peer);
    REQUIRE(frame.header.stream == stream);
    const auto response = frame.response();
    return std::to_string(response.status().code()) + " " + response.status().message();
  }

  /// Whether a call on this peer is answered now.
  bool serves(RawPeer& peer, std::uint32_t stream) {
    REQUIRE(peer.send(request_bytes(stream, "Echo", "hello")));
    const auto frame = next(peer);
    return frame.header.stream == stream && frame.response().payload() == "hello";
  }

  Gate gate;
  int waiting = 0;
  int cancelled = 0;
  Server server;
};

}  // namespace tariff::test
