// SPDX-License-Identifier: Apache-2.0
// The client's side of TLS: resolves, connects, shakes hands and checks that the server is who it
// was called by. What follows is relayed to a local socket by the caller's io_context.
//
// Threading: the io_context's one thread; names are looked up on a thread of Asio's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/tls_relay.h"

namespace tariff::ipc {

/// "tls://HOST:PORT"; HOST is a name, an IPv4 address or an IPv6 address in brackets.
struct TlsEndpoint {
  std::string host;  ///< without brackets
  std::string port;
};
[[nodiscard]] bool is_tls_endpoint(std::string_view text);
Result<TlsEndpoint> parse_tls_endpoint(const std::string& text);

/// A connected relay that has yet to be run(), and the local end to speak plainly over.
struct TlsConnection {
  Fd local;
  std::shared_ptr<TlsRelay> relay;
};

asio::awaitable<Result<TlsConnection>> tls_connect(asio::io_context& io, TlsEndpoint endpoint,
                                                   std::shared_ptr<TlsContext> context,
                                                   std::chrono::milliseconds timeout);

}  // namespace tariff::ipc
