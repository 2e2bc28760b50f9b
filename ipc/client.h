// SPDX-License-Identifier: Apache-2.0
// A ttrpc client on Boost.Asio: several calls under way on one connection, replies matched by
// stream id. A lost connection fails every call under way with Unavailable. There is no cancel in
// ttrpc: a call given up here goes on there, and a stream given up is still sent until the
// connection is closed; use a connection of its own for a stream that may be given up.
//
//   auto client = co_await Client::connect(io, "/run/tariff/agent.sock", 5s);
//   auto reply = co_await (*client)->call<v1::PollReply>("tariff.v1.Agent", "Poll", request, 1s);
//
// Endpoints: an absolute path (Unix), "host:port" with a numeric address (TCP), or
// "tls://host:port", which needs certificates (ipc/tls.h).
// Threading: one thread, the io_context's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace tariff::ipc {

namespace asio = boost::asio;

class TlsContext;
struct TlsConnection;

class Client : public std::enable_shared_from_this<Client> {
 public:
  static asio::awaitable<Result<std::shared_ptr<Client>>> connect(asio::io_context& io,
                                                                 const std::string& endpoint,
                                                                 std::chrono::milliseconds timeout);
  /// `tls` may be empty if the endpoint is not of TLS. In TLS 1.3 a server judges our certificate
  /// after the connect: that it is refused is what the first call then fails with.
  static asio::awaitable<Result<std::shared_ptr<Client>>> connect(
      asio::io_context& io, std::string endpoint, std::shared_ptr<TlsContext> tls,
      std::chrono::milliseconds timeout);
  ~Client();

  /// One unary call. `timeout` zero: wait for ever. The timeout is also sent to the server.
  /// Errors: what the server answered; Unavailable when the connection is or gets lost;
  /// DeadlineExceeded; ResourceExhausted for a request over 4 MiB, or when 64 MiB wait to be sent.
  asio::awaitable<Result<std::string>> call_raw(const std::string& service,
                                                const std::string& method, std::string payload,
                                                std::chrono::nanoseconds timeout);

  template <typename Reply, typename Request>
  asio::awaitable<Result<Reply>> call(std::string service, std::string method,
                                      const Request& request, std::chrono::nanoseconds timeout) {
    auto payload = co_await call_raw(service, method, request.SerializeAsString(), timeout);
    if (!payload) co_return std::move(payload).error();
    Reply reply;
    if (!reply.ParseFromString(*payload))
      co_return Error{ErrorKind::Internal, "the reply of " + method + " is malformed", {}};
    co_return reply;
  }

  /// A server stream: `on_message` is called for each message and returns false to stop reading.
  /// Ends with success when the server closed the stream (or on_message said stop). `on_message` is
  /// called from the read loop: it must not block, and what it does not take is not kept.
  asio::awaitable<Status> stream(const std::string& service, const std::string& method,
                                 std::string payload,
                                 std::function<bool(std::string_view)> on_message);

  /// Ends the connection; calls under way fail with Unavailable. Also done by the destructor.
  void close();
  /// close(), and waits until no coroutine of this client runs any more.
  asio::awaitable<void> stop();
  [[nodiscard]] bool connected() const;

  /// Speaks over a connected stream socket.
  static Result<std::shared_ptr<Client>> adopt(asio::io_context& io, Fd connected);
  static Result<std::shared_ptr<Client>> adopt(asio::io_context& io, TlsConnection connected);

  struct State;
  explicit Client(std::shared_ptr<State> state);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tariff::ipc
