// SPDX-License-Identifier: Apache-2.0
#include "ipc/tls_connect.h"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tariff::ipc {
namespace {

using asio::ip::tcp;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kScheme = "tls://";

Error bad_endpoint(const std::string& text) {
  return {ErrorKind::InvalidArgument, "\"" + text + "\" is not tls://HOST:PORT",
          "write tls://node1.example:7443 or tls://[::1]:7443"};
}

/// Cancels what the connection waits for when the time is up. It may fire behind the connect, so
/// what it refers to is cleared by its owner.
class Deadline {
 public:
  Deadline(asio::io_context& io, std::chrono::milliseconds timeout, tcp::socket& socket,
           tcp::resolver& resolver)
      : timer_(io, timeout), state_(std::make_shared<State>(State{&socket, &resolver})) {
    timer_.async_wait([state = state_](const boost::system::error_code& cancelled) {
      if (cancelled || state->socket == nullptr) return;
      state->passed = true;
      boost::system::error_code ignored;
      state->socket->close(ignored);
      state->resolver->cancel();
    });
  }
  ~Deadline() { state_->socket = nullptr; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  [[nodiscard]] bool passed() const { return state_->passed; }

 private:
  struct State {
    tcp::socket* socket;
    tcp::resolver* resolver;
    bool passed = false;
  };
  asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

/// The server has to be certified for what it was called by.
void expect_host(SSL* connection, const std::string& host) {
  boost::system::error_code no_address;
  (void)asio::ip::make_address(host, no_address);
  if (!no_address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.c_str());
    return;
  }
  SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set1_host(connection, host.c_str());
  SSL_set_tlsext_host_name(connection, host.c_str());
}

Error no_connection(const std::string& where, const boost::system::error_code& error) {
  if (error.category() == boost::system::system_category())
    return errno_error("cannot connect to " + where, error.value(),
                       error.value() == ECONNREFUSED ? "is it running, and listening there?" : "");
  return {ErrorKind::Unavailable, "cannot connect to " + where + ": " + error.message(), {}};
}

Result<TlsConnection> hand_over(asio::io_context& io, std::shared_ptr<TlsContext> context,
                                std::unique_ptr<TlsStream> stream, std::string where) {
  auto pair = make_local_pair();
  if (!pair) return std::move(pair).error();
  LocalSocket local(io);
  boost::system::error_code error;
  local.assign(asio::local::stream_protocol(), pair->near.get(), error);
  if (error) return Error{ErrorKind::Internal, "cannot watch a socket: " + error.message(), {}};
  (void)pair->near.release();
  auto relay = std::make_shared<TlsRelay>(std::move(context), std::move(stream), std::move(local),
                                          TlsSide::Client, std::move(where));
  return TlsConnection{std::move(pair->far), std::move(relay)};
}

}  // namespace

bool is_tls_endpoint(std::string_view text) { return text.starts_with(kScheme); }

Result<TlsEndpoint> parse_tls_endpoint(const std::string& text) {
  if (!is_tls_endpoint(text)) return bad_endpoint(text);
  const std::string rest = text.substr(kScheme.size());
  const auto colon = rest.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == rest.size())
    return bad_endpoint(text);
  TlsEndpoint endpoint{rest.substr(0, colon), rest.substr(colon + 1)};
  for (const char c : endpoint.port)
    if (c < '0' || c > '9') return bad_endpoint(text);
  if (endpoint.host.front() == '[' && endpoint.host.back() == ']')
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  else if (endpoint.host.find(':') != std::string::npos)
    return bad_endpoint(text);
  if (endpoint.host.empty()) return bad_endpoint(text);
  return endpoint;
}

asio::awaitable<Result<TlsConnection>> tls_connect(asio::io_context& io, TlsEndpoint endpoint,
                                                   std::shared_ptr<TlsContext> context,
                                                   std::chrono::milliseconds timeout) {
  const std::string where = endpoint.host + ":" + endpoint.port;
  auto stream = std::make_unique<TlsStream>(tcp::socket(io), context->native());
  auto& socket = stream->next_layer();
  tcp::resolver resolver(io);
  const Deadline deadline(io, timeout, socket, resolver);
  const auto too_late = [&where, timeout] {
    return Error{ErrorKind::DeadlineExceeded, "cannot connect to " + where + " in " +
                 std::to_string(timeout.count()) + " ms", "does it speak TLS?"};
  };
  const auto [unknown, addresses] =
      co_await resolver.async_resolve(endpoint.host, endpoint.port, kAsTuple);
  if (deadline.passed()) co_return too_late();
  if (unknown)
    co_return Error{ErrorKind::Unavailable, "cannot find " + where + ": " + unknown.message(),
                    "is the name right?"};
  const auto [refused, reached] = co_await asio::async_connect(socket, addresses, kAsTuple);
  if (deadline.passed()) co_return too_late();
  if (refused) co_return no_connection(where, refused);
  prepare_tcp(socket.native_handle());
  expect_host(stream->native_handle(), endpoint.host);
  const auto [failed] = co_await stream->async_handshake(TlsStream::client, kAsTuple);
  if (deadline.passed()) co_return too_late();
  if (failed)
    co_return explain_tls_failure(stream->native_handle(), TlsSide::Client, failed, where);
  co_return hand_over(io, std::move(context), std::move(stream), where);
}

}  // namespace tariff::ipc
