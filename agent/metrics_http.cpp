// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics_http.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <chrono>
#include <list>

namespace tariff::agent {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using Text = std::shared_ptr<const std::string>;

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMostConnections = 64;
constexpr auto kPatience = 10s;    // Prometheus' own scrape timeout
constexpr auto kPageAge = 200ms;
constexpr std::uint32_t kLongestHead = 8'192;
constexpr auto kShortage = 100ms;  // until accepting is tried again without descriptors

http::response<http::string_body> answer(http::status status, std::string body) {
  http::response<http::string_body> response(status, 11);
  response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
  response.keep_alive(false);
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

}  // namespace

struct MetricsHttp::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, Fd listening, std::function<void()> ask)
      : io(context), listener(io), want(std::move(ask)), fresh(io) {
    listener.assign(listening.release());
  }

  asio::io_context& io;
  asio::posix::stream_descriptor listener;
  std::function<void()> want;
  std::list<std::shared_ptr<Stream>> streams;  ///< the oldest first
  Text page;
  Clock::time_point page_made{};
  asio::steady_timer fresh;  ///< cancelled when a page has come
  bool asked = false;

  asio::awaitable<void> accept() {
    asio::steady_timer pause(io);
    for (;;) {
      const auto [error] = co_await listener.async_wait(asio::posix::descriptor_base::wait_read,
                                                        kAsTuple);
      if (error) co_return;
      auto connected = Fd::adopt(
          ::accept4(listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (connected) {
        take(std::move(connected));
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        pause.expires_after(kShortage);
        (void)co_await pause.async_wait(kAsTuple);
      }
    }
  }

  void take(Fd connected) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (::getsockname(connected.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) return;
    asio::generic::stream_protocol::socket socket(io);
    boost::system::error_code error;
    socket.assign(asio::generic::stream_protocol(name.ss_family, 0), connected.get(), error);
    if (error) return;
    (void)connected.release();
    if (streams.size() >= kMostConnections) streams.front()->close();
    const auto place = streams.insert(streams.end(), std::make_shared<Stream>(std::move(socket)));
    asio::co_spawn(io, serve(*place), [self = shared_from_this(), place](std::exception_ptr) {
      self->streams.erase(place);
    });
  }

  asio::awaitable<void> serve(std::shared_ptr<Stream> stream) {
    stream->expires_after(kPatience);
    beast::flat_buffer buffer;
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kLongestHead);
    const auto [error, bytes] = co_await http::async_read(*stream, buffer, parser, kAsTuple);
    if (error == http::error::end_of_stream || error == beast::error::timeout) co_return;
    auto response = answer(http::status::bad_request, "this is no request for a page\n");
    if (!error) response = co_await respond(parser.get());
    http::response_serializer<http::string_body> serializer(response);
    const bool head = !error && parser.get().method() == http::verb::head;
    if (head) {
      serializer.split(true);
      (void)co_await http::async_write_header(*stream, serializer, kAsTuple);
    } else {
      (void)co_await http::async_write(*stream, serializer, kAsTuple);
    }
    boost::system::error_code ignored;
    stream->socket().shutdown(asio::socket_base::shutdown_both, ignored);
  }

  asio::awaitable<http::response<http::string_body>> respond(
      const http::request<http::empty_body>& request) {
    if (request.method() != http::verb::get && request.method() != http::verb::head)
      co_return answer(http::status::method_not_allowed, "only GET\n");
    const std::string target(request.target().substr(0, request.target().find('?')));
    if (target != "/metrics")
      co_return answer(http::status::not_found, "the page is /metrics\n");
    const Text text = co_await current_page();
    if (!text)
      co_return answer(http::status::service_unavailable, "the agent does not answer\n");
    co_return answer(http::status::ok, *text);
  }

  asio::awaitable<Text> current_page() {
    const auto asked_at = Clock::now();
    const auto deadline = asked_at + kPatience / 2;
    while (!page || page_made + kPageAge < asked_at) {
      if (Clock::now() >= deadline) co_return nullptr;
      if (!asked) {
        asked = true;
        fresh.expires_at(deadline);
        want();
      }
      (void)co_await fresh.async_wait(kAsTuple);
      if (Clock::now() >= deadline) asked = false;  // the next one asks again
    }
    co_return page;
  }
};

MetricsHttp::MetricsHttp(boost::asio::io_context& io, Fd listener, std::function<void()> want)
    : state_(std::make_shared<State>(io, std::move(listener), std::move(want))) {}

MetricsHttp::~MetricsHttp() = default;

void MetricsHttp::start() { asio::co_spawn(state_->io, state_->accept(), asio::detached); }

void MetricsHttp::put(std::string page) {
  state_->page = std::make_shared<const std::string>(std::move(page));
  state_->page_made = Clock::now();
  state_->asked = false;
  state_->fresh.cancel();
}

}  // namespace tariff::agent
