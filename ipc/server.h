// SPDX-License-Identifier: Apache-2.0
// A ttrpc server on Boost.Asio: unary calls and server streams over Unix and TCP sockets.
// What a method sees is its decoded request and a CallContext; what it returns is a value or an
// Error, whose kind becomes the gRPC status code. Handlers of one connection run concurrently.
//
//   Server server(io, limits);
//   server.on<v1::PollRequest, v1::PollReply>("tariff.v1.Agent", "Poll",
//       [&](CallContext& call, const v1::PollRequest&) -> asio::awaitable<Result<v1::PollReply>> {
//         co_return service.poll();
//       });
//   server.listen_unix(std::move(fd_from_systemd));   // or listen_tcp
//   ...
//   co_await server.stop();                           // no new calls; waits for those under way
//
// Writing handlers: GCC 12 miscompiles co_await within &&, || and loop conditions (SIGILL at run
// time); give its result a name first, as in `auto reply = co_await ...; if (!reply) ...`.
//
// Threading: everything on the io_context's one thread. Bad input costs only its connection:
// malformed frames are answered or the connection is closed, as docs/api.md says.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tariff::ipc {

namespace asio = boost::asio;

/// Who is at the other end, from the kernel (SO_PEERCRED at connect), never from the message.
struct Peer {
  bool local = false;  ///< Unix socket; only then uid, gid and pid are known
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int32_t pid = 0;
  std::string name;    ///< for logs: "pid 12 uid 0" or "127.0.0.1:4711"
  bool certified = false;          ///< showed a certificate of our CA (TLS)
  std::vector<std::string> roles;  ///< what it says that the peer may do; the words are not ours
};

/// Bounds on those who have not shown a certificate yet.
struct TlsLimits {
  std::size_t max_handshakes = 64;
  std::size_t max_handshakes_per_address = 16;  ///< so that one address cannot take all
  std::chrono::milliseconds handshake_deadline{5'000};
  /// Handshakes begun a second, after a burst; more wait for their turn, within the deadline. A
  /// handshake costs 2.5 ms of CPU (measured): strangers can take 5% of one.
  double handshakes_per_second = 20;
  double handshake_burst = 40;
};

struct TlsStats {
  std::uint64_t handshaking = 0;  ///< now
  std::uint64_t connected = 0;    ///< now
  std::uint64_t completed = 0;    ///< handshakes, since the start
  std::uint64_t failed = 0;
  std::uint64_t refused = 0;      ///< over a bound: closed before the handshake
};

class TlsContext;

struct CallContext {
  const Peer& peer;
  /// From the request's timeout_nano; empty: none was given. When it passes the server answers
  /// DEADLINE_EXCEEDED by itself.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::map<std::string, std::string> metadata;  ///< keys in lower case, last value wins
  /// The handler should come to an end: the peer is gone, the deadline has passed or the server
  /// is stopping. What it returns is still sent if there is anybody to send it to.
  bool cancelled = false;
  /// Called once, at that moment. A handler that waits for something sets it to wake itself; one
  /// that must run to its end (Place) leaves it alone.
  std::function<void()> on_cancel;
};

struct ServerLimits {
  std::size_t max_frame_bytes = 4'194'304;     ///< data part; ttrpc's own maximum
  std::size_t max_streams = 256;               ///< calls under way on one connection
  std::size_t max_queued_bytes = 16'777'216;   ///< written by us, not yet read by the peer
  /// At most three quarters of them over TCP or TLS; root has 16 more. Beyond, the connection that
  /// was idle longest makes room if that is long enough, else the new one is told so and closed.
  std::size_t max_connections = 1'024;
  std::chrono::milliseconds idle_under_pressure{60'000};
  std::size_t max_calls = 8'192;               ///< calls under way on all connections
  /// Frames, payloads and answers in memory on all connections together; over it, the connection
  /// that holds most is closed.
  std::size_t max_buffered_bytes = 268'435'456;
  /// A peer that reads nothing for so long while something waits for it is dropped.
  std::chrono::milliseconds write_deadline{30'000};
  /// A frame begun must be complete by then, or the peer is dropped.
  std::chrono::milliseconds partial_frame_deadline{30'000};
};

/// Where a server stream writes its messages. send() waits while the connection's queue is full. It
/// fails with Unavailable when the peer is gone, with ResourceExhausted (and sends nothing) for a
/// message over the frame limit. gone() is the call's `cancelled`.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual asio::awaitable<Status> send(std::string message) = 0;
  [[nodiscard]] virtual bool gone() const = 0;
};

class Server {
 public:
  using UnaryHandler = std::function<asio::awaitable<Result<std::string>>(
      CallContext&, std::string_view payload)>;
  using StreamHandler = std::function<asio::awaitable<Status>(
      CallContext&, std::string_view payload, StreamSink&)>;

  Server(asio::io_context& io, ServerLimits limits);
  ~Server();  ///< after stop(); without it, connections are cut
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void on_unary(std::string service, std::string method, UnaryHandler handler);
  void on_stream(std::string service, std::string method, StreamHandler handler);

  template <typename Request, typename Reply>
  void on(std::string service, std::string method,
          std::function<asio::awaitable<Result<Reply>>(CallContext&, const Request&)> handler) {
    on_unary(std::move(service), std::move(method),
             [handler = std::move(handler)](CallContext& call, std::string_view payload)
                 -> asio::awaitable<Result<std::string>> {
               Request request;
               if (!request.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
                 co_return Error{ErrorKind::InvalidArgument,
                                 "ttrpc: error unmarshalling payload", {}};
               auto reply = co_await handler(call, request);
               if (!reply) co_return std::move(reply).error();
               co_return reply->SerializeAsString();
             });
  }

  /// Takes over a listening Unix stream socket (from systemd, or made by listen_unix_path()).
  Status listen_unix(Fd listener);
  /// For tests and for running without systemd: replaces a socket left there, and binds with
  /// `mode` from the first moment.
  Status listen_unix_path(const std::string& path, unsigned mode);
  /// "address:port"; port 0 picks one (see tcp_port()). Returns an error for anything but loopback.
  Status listen_tcp(const std::string& address);
  [[nodiscard]] int tcp_port() const;
  /// "address:port", any numeric address: TLS with client certificates (ipc/tls.h), served by a
  /// thread whose first act is `thread_began`; `on_failed` is told of each handshake that failed.
  Status listen_tls(const std::string& address, std::shared_ptr<TlsContext> context,
                    TlsLimits limits, std::function<void()> thread_began,
                    std::function<void(const std::string& where, const Error&)> on_failed);
  void use_tls(std::shared_ptr<TlsContext> context);  ///< for connections from now on
  [[nodiscard]] int tls_port() const;
  [[nodiscard]] TlsStats tls_stats() const;
  /// Asked before each call; an error is the answer. Without it everybody may call everything.
  void authorise_by(std::function<Status(const Peer&, const std::string& service,
                                         const std::string& method)> rule);
  void set_limits(ServerLimits limits);  ///< for new connections
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t calls() const;  ///< handlers under way, also those nobody waits for
  /// Serves one connected stream socket (tests; sockets that came some other way).
  Status adopt(Fd connected);
  Status adopt(Fd connected, Peer peer);  ///< who it is was found out some other way

  /// Stops accepting, tells calls under way to end (on_cancel), lets them finish and be answered
  /// for at most `grace`, closes everything and ends what is left. Nothing runs afterwards.
  asio::awaitable<void> stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tariff::ipc
