// SPDX-License-Identifier: Apache-2.0
// Carries bytes between a TLS connection and a local socket pair, whose other end is an ordinary
// ipc connection. So nothing but this knows of TLS: frames, limits and deadlines are the same on
// every transport, and encryption costs the thread of this relay, not the loop of who is served.
//
// What is in memory for one connection is bounded: two buffers here, Asio's two, and the socket
// pair's. A direction reads only when what it read before has been written, so a peer that does not
// read fills these and then stops its sender, whose own deadline for writing ends it.
// Threading: everything on the executor of the two streams. Errors: `why`, for who asks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/tls.h"

namespace tariff::ipc {

namespace asio = boost::asio;
using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;
using LocalSocket = asio::local::stream_protocol::socket;

/// One relayed connection. It keeps itself until both directions have ended.
class TlsRelay : public std::enable_shared_from_this<TlsRelay> {
 public:
  /// `stream` has done its handshake. `where` names the other end in errors.
  TlsRelay(std::shared_ptr<TlsContext> context, std::unique_ptr<TlsStream> stream,
           LocalSocket local, TlsSide side, std::string where);

  /// Relays until either end is closed. Ends at once, too, when the context is destroyed.
  asio::awaitable<void> run();
  /// Cuts both ends.
  void close();
  /// What TLS had against the connection; empty if it ended as connections do.
  [[nodiscard]] const std::optional<Error>& why() const { return why_; }

 private:
  asio::awaitable<void> inward();
  asio::awaitable<void> outward();
  asio::awaitable<void> watch_local();

  const std::shared_ptr<TlsContext> context_;  // the certificates live as long as what uses them
  std::unique_ptr<TlsStream> stream_;
  LocalSocket local_;
  const TlsSide side_;
  const std::string where_;
  std::optional<Error> why_;
  bool outward_done_ = false;
  bool closed_ = false;
  std::unique_ptr<asio::steady_timer> ended_;
};

/// Both ends of a connected pair of non-blocking, close-on-exec Unix sockets.
struct LocalPair {
  Fd near;
  Fd far;
};
Result<LocalPair> make_local_pair();

/// TCP settings of a connection that is kept open for long: answers are not held back, and an end
/// that vanished without a word is noticed within two minutes.
void prepare_tcp(int socket);

}  // namespace tariff::ipc
