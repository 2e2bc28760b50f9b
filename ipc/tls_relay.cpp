// SPDX-License-Identifier: Apache-2.0
#include "ipc/tls_relay.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace tariff::ipc {
namespace {

using namespace std::chrono_literals;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

/// Read at once in each direction. A call is some hundred bytes; a larger message takes more turns.
constexpr std::size_t kChunk = 8'192;

/// How long the last answers may take to leave once the local end is closed.
constexpr auto kLinger = 5s;

bool hung_up(int socket) {
  pollfd descriptor{socket, 0, 0};
  return ::poll(&descriptor, 1, 0) > 0 && (descriptor.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

TlsRelay::TlsRelay(std::shared_ptr<TlsContext> context, std::unique_ptr<TlsStream> stream,
                   LocalSocket local, TlsSide side, std::string where)
    : context_(std::move(context)),
      stream_(std::move(stream)),
      local_(std::move(local)),
      side_(side),
      where_(std::move(where)),
      ended_(std::make_unique<asio::steady_timer>(local_.get_executor(),
                                                  asio::steady_timer::time_point::max())) {}

asio::awaitable<void> TlsRelay::run() {
  using namespace asio::experimental::awaitable_operators;
  const auto self = shared_from_this();
  co_await (inward() && outward() && watch_local());
}

void TlsRelay::close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;  // the descriptors are freed in any case
  stream_->next_layer().close(ignored);
  local_.close(ignored);
  ended_->cancel();
}

/// From the network to the local end.
asio::awaitable<void> TlsRelay::inward() {
  std::array<char, kChunk> buffer;
  for (;;) {
    const auto [error, n] = co_await stream_->async_read_some(asio::buffer(buffer), kAsTuple);
    if (closed_) co_return;
    if (error == asio::error::eof) {
      // close_notify: the peer sends no more, and may still read.
      boost::system::error_code ignored;  // the local end may be gone already
      local_.shutdown(LocalSocket::shutdown_send, ignored);
      co_return;
    }
    if (error) {
      if (error.category() == asio::error::get_ssl_category())
        why_ = explain_tls_failure(stream_->native_handle(), side_, error, where_);
      close();
      co_return;
    }
    const auto [failure, written] =
        co_await asio::async_write(local_, asio::buffer(buffer.data(), n), kAsTuple);
    if (failure) co_return;  // the local end is gone: watch_local() ends the rest
  }
}

/// From the local end to the network; then close_notify, so that the peer knows it has everything.
asio::awaitable<void> TlsRelay::outward() {
  std::array<char, kChunk> buffer;
  for (;;) {
    const auto [error, n] = co_await local_.async_read_some(asio::buffer(buffer), kAsTuple);
    if (closed_ || error) break;
    const auto [failure, written] =
        co_await asio::async_write(*stream_, asio::buffer(buffer.data(), n), kAsTuple);
    // The peer is gone. What it said before (an alert) is for the other direction to read.
    if (failure) co_return;
  }
  outward_done_ = true;
  if (closed_) co_return;
  ended_->cancel();
  (void)co_await stream_->async_shutdown(kAsTuple);
  close();
}

/// The local end hangs up when who is served has closed it. Whatever it wrote last may still leave.
asio::awaitable<void> TlsRelay::watch_local() {
  while (!closed_ && !hung_up(local_.native_handle()))
    (void)co_await local_.async_wait(LocalSocket::wait_error, kAsTuple);
  if (closed_) co_return;
  ended_->expires_after(kLinger);
  if (!outward_done_) (void)co_await ended_->async_wait(kAsTuple);
  ended_->expires_after(kLinger);
  if (!closed_) (void)co_await ended_->async_wait(kAsTuple);
  close();
}

Result<LocalPair> make_local_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return errno_error("cannot make a socket pair", errno);
  return LocalPair{Fd::adopt(ends[0]), Fd::adopt(ends[1])};
}

void prepare_tcp(int socket) {
  const auto set = [socket](int level, int name, int value) {
    (void)::setsockopt(socket, level, name, &value, sizeof value);  // all are only better to have
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

}  // namespace tariff::ipc
