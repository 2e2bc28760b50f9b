// SPDX-License-Identifier: Apache-2.0
#include "ipc/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "ipc/frame.h"
#include "ipc/proto/ttrpc.pb.h"
#include "ipc/session.h"
#include "ipc/socket.h"
#include "ipc/status_code.h"
#include "ipc/tls_listener.h"

namespace tariff::ipc {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Descriptor = asio::posix::stream_descriptor;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

/// Connections that root may have beyond max_connections: an administrator must get in when
/// somebody has taken all the others.
constexpr std::size_t kReservedForRoot = 16;

/// One part in so many of max_connections is kept for Unix sockets: strangers on the network must
/// not be able to lock out who is on this machine.
constexpr std::size_t kPartForLocal = 4;

/// Finding the one idle longest looks at all of them: not again at once when none was.
constexpr auto kLookAgain = 100ms;

/// accept(2) without descriptors or memory fails until somebody leaves; it is tried again after
/// 1 ms, doubled up to 1 s (as Go's server does).
constexpr auto kFirstBackOff = 1ms;
constexpr auto kLongestBackOff = 1'000ms;

/// For handlers that were ended by force to unwind: no system call, only destructors.
constexpr auto kUnwindTime = 1'000ms;

/// Closes the connection that has been idle longest, of the sort (remote or not) that wants in.
bool make_room(ServerCore& core, bool remote) {
  const auto now = Clock::now();
  if (now - core.no_room_since < kLookAgain) return false;
  std::shared_ptr<Session> idlest;
  for (const auto& session : core.sessions) {
    const auto since = session->idle_since();
    if (!since || session->remote() != remote) continue;
    if (!idlest || *since < *idlest->idle_since()) idlest = session;
  }
  if (idlest && now - *idlest->idle_since() >= core.limits.idle_under_pressure) {
    idlest->abort({ErrorKind::ResourceExhausted, "it was idle while others wanted in", {}});
    return true;
  }
  core.no_room_since = now;
  return false;
}

bool admit(ServerCore& core, const Peer& peer) {
  const std::size_t most = core.limits.max_connections;
  const bool root = peer.local && peer.uid == 0;
  const auto full = [&] {
    return core.connected >= most + (root ? kReservedForRoot : 0) ||
           (!peer.local && core.remote >= most - most / kPartForLocal);
  };
  return !core.stopping && (!full() || (make_room(core, !peer.local) && !full()));
}

/// Answers the first call of whoever is not let in, which has the id 1 with every ttrpc client,
/// whether it has been sent or will be. A fresh socket takes so much at once.
void turn_away(const Fd& connected, const Error& why) {
  ttrpc::Response response;
  response.mutable_status()->set_code(code_of(why.kind));
  response.mutable_status()->set_message(as_utf8(why.text()));
  const std::string data = response.SerializeAsString();
  const auto header = encode({static_cast<std::uint32_t>(data.size()), 1,
                              static_cast<std::uint8_t>(FrameType::Response), 0});
  const std::string bytes = std::string(header.begin(), header.end()) + data;
  (void)::send(connected.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

Status serve(const std::shared_ptr<ServerCore>& core, Fd connected, Peer peer) {
  if (!admit(*core, peer)) {
    Error why{ErrorKind::ResourceExhausted, "too many connections",
              "have fewer, or raise limits.max_connections"};
    if (core->stopping) why = {ErrorKind::Unavailable, "the server is stopping", {}};
    turn_away(connected, why);
    return why;
  }
  if (!peer.local && !peer.certified) {
    const int on = 1;  // an answer must not wait for the acknowledgement of the one before
    (void)::setsockopt(connected.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  StreamSocket socket(core->io);
  boost::system::error_code error;
  const int family = family_of(connected.get());
  socket.assign(asio::generic::stream_protocol(family, 0), connected.get(), error);
  if (error) return Error{ErrorKind::Internal, "cannot watch a socket: " + error.message(), {}};
  (void)connected.release();
  Session::begin(core, std::move(socket), std::move(peer));
  return ok();
}

Status serve(const std::shared_ptr<ServerCore>& core, Fd connected) {
  auto peer = peer_of(connected.get());
  if (!peer) return std::move(peer).error();
  return serve(core, std::move(connected), std::move(*peer));
}

/// Whether accept(2) failed for want of something that may come back.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

asio::awaitable<void> accept_loop(std::shared_ptr<ServerCore> core,
                                  std::shared_ptr<Descriptor> listener) {
  asio::steady_timer pause(core->io);
  auto back_off = kFirstBackOff;
  while (!core->stopping) {
    (void)co_await listener->async_wait(Descriptor::wait_read, kAsTuple);
    if (core->stopping || !listener->is_open()) break;
    auto connected = Fd::adopt(
        ::accept4(listener->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connected) {
      back_off = kFirstBackOff;
      // Over the limit it is told so and closed: the peer learns it now, and not by waiting.
      (void)serve(core, std::move(connected));
    } else if (is_shortage(errno)) {
      pause.expires_after(back_off);
      (void)co_await pause.async_wait(kAsTuple);
      back_off = std::min<std::chrono::milliseconds>(2 * back_off, kLongestBackOff);
    }
    // Everything else is the peer's (it left before it was accepted) or another round.
  }
}

}  // namespace

struct Server::State {
  State(asio::io_context& io, ServerLimits limits)
      : core(std::make_shared<ServerCore>(io, limits)), changed(io) {}

  std::shared_ptr<ServerCore> core;
  std::vector<std::shared_ptr<Descriptor>> listeners;
  asio::steady_timer changed;  ///< stop() waits here for the next call or connection to end
  int tcp_port = 0;
  std::unique_ptr<TlsListener> tls;
  int tls_port = 0;

  void close_listeners() {
    boost::system::error_code ignored;  // the descriptor is freed in any case
    for (const auto& listener : listeners) listener->close(ignored);
    listeners.clear();
    if (tls) tls->stop_accepting();
  }

  /// Waits until `done()` or the deadline; true if done.
  asio::awaitable<bool> wait_until(Clock::time_point deadline, std::function<bool()> done) {
    changed.expires_at(deadline);
    while (!done()) {
      if (Clock::now() >= deadline) co_return false;
      (void)co_await changed.async_wait(kAsTuple);
    }
    co_return true;
  }
};

Server::Server(asio::io_context& io, ServerLimits limits)
    : state_(std::make_shared<State>(io, limits)) {
  silence_protobuf();
}

Server::~Server() {
  auto& core = *state_->core;
  core.stopping = true;
  core.on_change = nullptr;
  core.memory->relieve = nullptr;
  core.call_tasks.on_change({});
  core.io_tasks.on_change({});
  state_->close_listeners();
  for (const auto& session : std::set(core.sessions))
    session->abort({ErrorKind::Unavailable, "the server is gone", {}});
  core.sessions.clear();  // each holds the core, and the core holds them
}

void Server::on_unary(std::string service, std::string method, UnaryHandler handler) {
  state_->core->services[std::move(service)][std::move(method)] =
      std::make_shared<const Method>(Method{std::move(handler), {}});
}

void Server::on_stream(std::string service, std::string method, StreamHandler handler) {
  state_->core->services[std::move(service)][std::move(method)] =
      std::make_shared<const Method>(Method{{}, std::move(handler)});
}

Status Server::listen_unix(Fd listener) {
  if (auto prepared = prepare_listener(listener); !prepared) return prepared;
  auto& core = state_->core;
  auto descriptor = std::make_shared<Descriptor>(core->io);
  boost::system::error_code error;
  descriptor->assign(listener.get(), error);
  if (error)
    return Error{ErrorKind::Internal, "cannot watch the listening socket: " + error.message(), {}};
  (void)listener.release();
  state_->listeners.push_back(descriptor);
  asio::co_spawn(core->io, accept_loop(core, descriptor),
                 [token = core->io_tasks.enter()](std::exception_ptr) {});
  return ok();
}

Status Server::listen_unix_path(const std::string& path, unsigned mode) {
  auto listener = listen_on_unix(path, mode);
  if (!listener) return std::move(listener).error();
  return listen_unix(std::move(*listener));
}

Status Server::listen_tcp(const std::string& address) {
  auto parsed = tcp_address(address);
  if (!parsed) return std::move(parsed).error();
  if (!parsed->loopback)
    return Error{ErrorKind::InvalidArgument, address + " can be reached from other machines",
                 "without authentication only a loopback address may listen: 127.0.0.1 or [::1]"};
  auto listener = listen_on_tcp(*parsed);
  if (!listener) return std::move(listener).error();
  state_->tcp_port = local_port(listener->get());
  return listen_unix(std::move(*listener));
}

Status Server::listen_tls(const std::string& address, std::shared_ptr<TlsContext> context,
                          TlsLimits limits, std::function<void()> thread_began,
                          std::function<void(const std::string&, const Error&)> on_failed) {
  TARIFF_CHECK(!state_->tls, "a server listens on one TLS address");
  auto parsed = tcp_address(address);
  if (!parsed) return std::move(parsed).error();
  auto listener = listen_on_tcp(*parsed);
  if (!listener) return std::move(listener).error();
  state_->tls_port = local_port(listener->get());
  TlsListener::Events events;
  events.on_failed = std::move(on_failed);
  events.on_connected = [core = state_->core](Fd connected, Peer peer) {
    (void)serve(core, std::move(connected), std::move(peer));  // over the limit it is closed
  };
  state_->tls = std::make_unique<TlsListener>(state_->core->io, limits, std::move(events));
  state_->tls->start(std::move(*listener), std::move(context), std::move(thread_began));
  return ok();
}

void Server::use_tls(std::shared_ptr<TlsContext> context) {
  if (state_->tls) state_->tls->use(std::move(context));
}

int Server::tls_port() const { return state_->tls_port; }

TlsStats Server::tls_stats() const { return state_->tls ? state_->tls->stats() : TlsStats(); }

void Server::authorise_by(
    std::function<Status(const Peer&, const std::string&, const std::string&)> rule) {
  state_->core->authorise = std::move(rule);
}

Status Server::adopt(Fd connected) { return serve(state_->core, std::move(connected)); }
Status Server::adopt(Fd connected, Peer peer) {
  return serve(state_->core, std::move(connected), std::move(peer));
}

int Server::tcp_port() const { return state_->tcp_port; }

void Server::set_limits(ServerLimits limits) {
  state_->core->limits = limits;
  state_->core->memory->limit = limits.max_buffered_bytes;
}

std::size_t Server::connections() const { return state_->core->connected; }

std::size_t Server::calls() const { return state_->core->call_tasks.running(); }

asio::awaitable<void> Server::stop(std::chrono::milliseconds grace) {
  const auto state = state_;
  const auto core = state->core;
  const auto deadline = Clock::now() + grace;
  const auto wake = [weak = std::weak_ptr(state)] {
    if (const auto alive = weak.lock()) alive->changed.cancel();
  };
  core->stopping = true;
  core->on_change = wake;
  core->call_tasks.on_change(wake);
  core->io_tasks.on_change(wake);
  state->close_listeners();
  for (const auto& session : std::set(core->sessions)) session->begin_stop();
  // Answered and flushed, each connection closes itself.
  const auto all_gone = [core] { return core->sessions.empty(); };
  const bool in_time = co_await state->wait_until(deadline, all_gone);
  if (!in_time) {
    for (const auto& session : std::set(core->sessions))
      session->abort({ErrorKind::Unavailable, "the server is stopping", {}});
    for (const auto& session : std::set(core->sessions)) session->kill_calls();
  }
  const auto nothing_runs = [core] {
    return core->call_tasks.running() == 0 && core->io_tasks.running() == 0;
  };
  (void)co_await state->wait_until(Clock::now() + kUnwindTime, nothing_runs);
  core->on_change = nullptr;
  core->call_tasks.on_change({});
  core->io_tasks.on_change({});
}

}  // namespace tariff::ipc
