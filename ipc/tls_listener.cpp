// SPDX-License-Identifier: Apache-2.0
#include "ipc/tls_listener.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "ipc/socket.h"
#include "ipc/tls_relay.h"

namespace tariff::ipc {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using asio::ip::tcp;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

/// Without descriptors or memory accept(2) fails until somebody leaves.
constexpr auto kBackOff = 100ms;

/// How long a refused client may take to read why, within its handshake's deadline.
constexpr auto kFarewell = 1s;

/// Lets handshakes begin at a rate, after a burst: who comes early is told how long to wait.
class Pace {
 public:
  Pace(double per_second, double burst)
      : interval_(1.0 / per_second), slack_(interval_ * (burst - 1)) {}

  Clock::duration take(Clock::time_point now) {
    next_ = std::max(next_, now - cast(slack_));
    const auto wait = std::max(next_ - now, Clock::duration::zero());
    next_ += cast(interval_);
    return wait;
  }

 private:
  using Seconds = std::chrono::duration<double>;
  static Clock::duration cast(Seconds seconds) {
    return std::chrono::duration_cast<Clock::duration>(seconds);
  }
  Seconds interval_;
  Seconds slack_;
  Clock::time_point next_{};
};

std::string address_of(const tcp::endpoint& endpoint) { return endpoint.address().to_string(); }

std::string text_of(const tcp::endpoint& endpoint) {
  const auto address = address_of(endpoint);
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace

struct TlsListener::State : std::enable_shared_from_this<TlsListener::State> {
  State(asio::io_context& loop, TlsLimits all_limits, Events all_events)
      : server(loop),
        limits(all_limits),
        events(std::move(all_events)),
        pace(limits.handshakes_per_second, limits.handshake_burst) {}

  asio::io_context& server;
  const TlsLimits limits;
  Events events;  ///< used on the server's thread only
  std::thread thread;

  // Only on the thread, but for the counters. Coroutines hold this State and lie in `own_io`, so
  // that the listener takes it apart by hand.
  std::optional<asio::io_context> own_io{std::in_place, 1};
  asio::io_context& io = *own_io;
  std::shared_ptr<TlsContext> context;
  Pace pace;
  std::optional<tcp::acceptor> acceptor;
  std::map<std::string, std::size_t> shaking_from;
  std::set<std::shared_ptr<TlsRelay>> relays;
  std::set<tcp::socket*> shaking;
  std::atomic<std::uint64_t> shaking_now{0}, relayed{0}, completed{0}, failed{0}, refused{0};
  bool stopping = false;

  struct Slot;

  asio::awaitable<void> accept_loop();
  void accepted(tcp::socket socket);
  asio::awaitable<void> serve(tcp::socket socket, tcp::endpoint from);
  asio::awaitable<void> relay(std::unique_ptr<TlsStream> stream,
                              std::shared_ptr<TlsContext> with, std::string where);
  asio::awaitable<void> say_farewell(TlsStream& stream);
  void report(const std::string& where, Error why);
  void leave(const std::string& address, tcp::socket* socket);
};

/// A place among the handshakes under way, given back however the handshake ends. Its deadline may
/// fire behind that; `watch` then points nowhere.
struct TlsListener::State::Slot {
  Slot(State& of_state, std::string of_address, tcp::socket& of_socket)
      : state(of_state), address(std::move(of_address)), watch(std::make_shared<Watch>()) {
    watch->socket = &of_socket;
    state.shaking.insert(&of_socket);
    state.shaking_now = state.shaking.size();
  }
  ~Slot() { state.leave(address, std::exchange(watch->socket, nullptr)); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  struct Watch {
    tcp::socket* socket;
    bool late = false;
  };
  State& state;
  std::string address;
  std::shared_ptr<Watch> watch;
};

asio::awaitable<void> TlsListener::State::accept_loop() {
  asio::steady_timer pause(io);
  while (!stopping) {
    auto [error, socket] = co_await acceptor->async_accept(kAsTuple);
    if (stopping) break;
    if (!error) {
      accepted(std::move(socket));
    } else if (error == asio::error::no_descriptors || error == asio::error::no_memory ||
               error == asio::error::no_buffer_space) {
      pause.expires_after(kBackOff);
      (void)co_await pause.async_wait(kAsTuple);
    }
  }
}

void TlsListener::State::accepted(tcp::socket socket) {
  boost::system::error_code error;
  const auto from = socket.remote_endpoint(error);
  if (error) return;  // it left already
  auto& of_address = shaking_from[address_of(from)];
  if (shaking.size() >= limits.max_handshakes || of_address >= limits.max_handshakes_per_address) {
    if (of_address == 0) shaking_from.erase(address_of(from));
    ++refused;
    return;  // closed before a byte was read: the cheapest there is
  }
  ++of_address;
  asio::co_spawn(io, serve(std::move(socket), from),
                 [self = shared_from_this()](std::exception_ptr) {
                   // Memory ran out: it costs this connection alone.
                 });
}

void TlsListener::State::leave(const std::string& address, tcp::socket* socket) {
  shaking.erase(socket);
  shaking_now = shaking.size();
  const auto found = shaking_from.find(address);
  if (found != shaking_from.end() && --found->second == 0) shaking_from.erase(found);
}

/// One connection's handshake, from accept to relay or refusal.
asio::awaitable<void> TlsListener::State::serve(tcp::socket accepted_socket, tcp::endpoint from) {
  const auto self = shared_from_this();
  const auto with = context;
  auto stream = std::make_unique<TlsStream>(std::move(accepted_socket), with->native());
  auto& socket = stream->next_layer();
  prepare_tcp(socket.native_handle());
  const std::string where = text_of(from);
  std::optional<Slot> slot;
  slot.emplace(*this, address_of(from), socket);
  const auto watch = slot->watch;
  asio::steady_timer deadline(io, limits.handshake_deadline);
  deadline.async_wait([watch](const boost::system::error_code& cancelled) {
    if (cancelled || watch->socket == nullptr) return;
    watch->late = true;
    boost::system::error_code ignored;
    watch->socket->cancel(ignored);
  });
  // Whoever says nothing takes a place, but no turn.
  auto [error] = co_await socket.async_wait(tcp::socket::wait_read, kAsTuple);
  if (!error) {
    asio::steady_timer turn(io, pace.take(Clock::now()));
    (void)co_await turn.async_wait(kAsTuple);
    if (watch->late || stopping) error = asio::error::timed_out;
  }
  if (!error) {
    const auto [outcome] = co_await stream->async_handshake(TlsStream::server, kAsTuple);
    error = outcome;
  }
  if (!error && !watch->late && !stopping) {
    deadline.cancel();
    slot.reset();
    ++completed;
    co_await relay(std::move(stream), with, where);
    co_return;
  }
  ++failed;
  if (watch->late) {
    report(where,
           {ErrorKind::DeadlineExceeded, "TLS from " + where + ": no handshake in time", {}});
  } else if (!stopping) {
    report(where, explain_tls_failure(stream->native_handle(), TlsSide::Server, error, where));
    co_await say_farewell(*stream);
  }
  deadline.cancel();
  slot.reset();  // before the stream that it points into
}

/// A connection closed with bytes unread is reset, and a reset may overtake the alert before it.
asio::awaitable<void> TlsListener::State::say_farewell(TlsStream& stream) {
  auto& socket = stream.next_layer();
  boost::system::error_code ignored;
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  asio::steady_timer enough(io, kFarewell);
  enough.async_wait([&socket](const boost::system::error_code& cancelled) {
    boost::system::error_code unused;
    if (!cancelled) socket.cancel(unused);
  });
  std::array<char, 1'024> thrown_away;
  for (bool more = true; more;) {
    const auto [error, n] = co_await socket.async_read_some(asio::buffer(thrown_away), kAsTuple);
    more = !error;
  }
  enough.cancel();
}

asio::awaitable<void> TlsListener::State::relay(std::unique_ptr<TlsStream> stream,
                                                std::shared_ptr<TlsContext> with,
                                                std::string where) {
  auto pair = make_local_pair();
  auto certificate = peer_certificate(stream->native_handle());
  if (!pair || !certificate) co_return;  // no descriptors left: the connection is closed
  Peer peer;
  peer.name = where + " " + certificate->subject;
  peer.certified = true;
  peer.roles = std::move(certificate->roles);
  LocalSocket local(io);
  boost::system::error_code error;
  local.assign(asio::local::stream_protocol(), pair->near.get(), error);
  if (error) co_return;
  (void)pair->near.release();
  const auto relay = std::make_shared<TlsRelay>(std::move(with), std::move(stream),
                                                std::move(local), TlsSide::Server, where);
  relays.insert(relay);
  relayed = relays.size();
  auto far = std::make_shared<Fd>(std::move(pair->far));
  asio::post(server, [self = shared_from_this(), far, peer = std::move(peer)] {
    if (self->events.on_connected) self->events.on_connected(std::move(*far), peer);
  });
  co_await relay->run();
  relays.erase(relay);
  relayed = relays.size();
}

void TlsListener::State::report(const std::string& where, Error why) {
  asio::post(server, [self = shared_from_this(), where, why = std::move(why)] {
    if (self->events.on_failed) self->events.on_failed(where, why);
  });
}

TlsListener::TlsListener(asio::io_context& server, TlsLimits limits, Events events)
    : state_(std::make_shared<State>(server, limits, std::move(events))) {}

TlsListener::~TlsListener() {
  state_->io.stop();
  if (state_->thread.joinable()) state_->thread.join();
  state_->events = {};
  state_->acceptor.reset();
  state_->relays.clear();
  state_->own_io.reset();
}

void TlsListener::start(Fd listener, std::shared_ptr<TlsContext> context,
                        std::function<void()> thread_began) {
  TARIFF_CHECK(!state_->thread.joinable(), "a TLS listener is started once");
  state_->context = std::move(context);
  boost::system::error_code error;
  const auto protocol = family_of(listener.get()) == AF_INET6 ? tcp::v6() : tcp::v4();
  state_->acceptor.emplace(state_->io);
  state_->acceptor->assign(protocol, listener.release(), error);
  TARIFF_CHECK(!error, "a listening socket can be watched");
  asio::co_spawn(state_->io, state_->accept_loop(), [](std::exception_ptr) {});
  state_->thread = std::thread([state = state_, began = std::move(thread_began)] {
    if (began) began();
    const auto stay = asio::make_work_guard(state->io);
    state->io.run();
  });
}

void TlsListener::use(std::shared_ptr<TlsContext> context) {
  asio::post(state_->io, [state = state_, context = std::move(context)]() mutable {
    state->context = std::move(context);
  });
}

void TlsListener::stop_accepting() {
  asio::post(state_->io, [state = state_] {
    state->stopping = true;
    boost::system::error_code ignored;
    if (state->acceptor) state->acceptor->close(ignored);
    for (auto* socket : state->shaking) socket->cancel(ignored);
  });
}

TlsStats TlsListener::stats() const {
  return {state_->shaking_now, state_->relayed, state_->completed, state_->failed,
          state_->refused};
}

}  // namespace tariff::ipc
