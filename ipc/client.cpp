// SPDX-License-Identifier: Apache-2.0
#include "ipc/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <optional>

#include "ipc/connection.h"
#include "ipc/frame.h"
#include "ipc/proto/ttrpc.pb.h"
#include "ipc/socket.h"
#include "ipc/status_code.h"
#include "ipc/tls_connect.h"

namespace tariff::ipc {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

/// Requests that wait to be sent; a caller that has more under way is told so at once.
constexpr std::size_t kMaxQueuedBytes = 64U << 20;

/// A full backlog of a Unix socket refuses with EAGAIN and offers nothing to wait for.
constexpr auto kConnectRetry = 5ms;

constexpr std::int32_t kUnimplemented = 12;

Error error_of(const ttrpc::Status& status) {
  std::string message = status.message();
  if (status.code() == kUnimplemented) message = "the other side does not know " + message;
  if (message.empty()) message = "the server answered " + std::string(code_name(status.code()));
  return {kind_of(status.code()), std::move(message), {}};
}

Result<Address> address_of(const std::string& endpoint) {
  return !endpoint.empty() && endpoint.front() == '/' ? unix_address(endpoint)
                                                      : tcp_address(endpoint);
}

std::string hint_for(int error) {
  if (error == ENOENT || error == ECONNREFUSED) return "is it running?";
  if (error == EACCES) return "you must be root or in the socket's group";
  return {};
}

}  // namespace

/// A call or stream that waits for something to arrive.
struct Pending {
  explicit Pending(asio::io_context& io) : wake(io, Clock::time_point::max()) {}

  asio::steady_timer wake;
  std::function<bool(std::string_view)> on_message;  ///< streams only
  std::optional<Result<std::string>> outcome;

  void finish(Result<std::string> result) {
    if (outcome) return;
    outcome.emplace(std::move(result));
    wake.cancel();
  }
};

struct Client::State : FrameReceiver {
  State(asio::io_context& context, StreamSocket socket) : io(context) {
    ConnectionLimits limits;
    limits.max_queued_bytes = kMaxQueuedBytes;
    limits.read_out = true;
    connection = std::make_shared<Connection>(io, std::move(socket), limits, tasks,
                                              std::make_shared<MemoryBudget>());
  }

  asio::io_context& io;
  Tasks tasks;
  std::shared_ptr<Connection> connection;
  StreamIdSource ids;
  std::map<std::uint32_t, std::shared_ptr<Pending>> pending;
  bool asked = false;         ///< a call has been begun
  std::optional<Error> turned_away;  ///< the server's answer before anything was asked
  std::optional<Error> lost;  ///< why there is no connection any more
  std::shared_ptr<TlsRelay> relay;

  void on_frame(const FrameHeader& header, std::string_view data) override;
  void on_oversize(const FrameHeader& header) override;
  void on_end_of_input() override {
    connection->abort({ErrorKind::Unavailable, "the server closed the connection", {}});
  }
  void on_closed(const Error& why) override;

  void hear_refusal(const FrameHeader& header, std::string_view data);
  void on_data(const FrameHeader& header, std::string_view data, Pending& call);
  Result<std::shared_ptr<Pending>> begin(const ttrpc::Request& request, std::uint8_t flags,
                                         std::uint32_t& stream);
};

void Client::State::on_frame(const FrameHeader& header, std::string_view data) {
  const auto found = pending.find(header.stream);
  if (found == pending.end()) {
    if (!asked) hear_refusal(header, data);
    return;  // else given up in the meantime
  }
  const auto call = found->second;
  if (header.is(FrameType::Data)) return on_data(header, data, *call);
  if (!header.is(FrameType::Response)) return;
  ttrpc::Response response;
  if (!response.ParseFromArray(data.data(), static_cast<int>(data.size())))
    return call->finish(Error{ErrorKind::Internal, "the server's answer is malformed", {}});
  if (response.status().code() != 0) return call->finish(error_of(response.status()));
  call->finish(std::move(*response.mutable_payload()));
}

void Client::State::hear_refusal(const FrameHeader& header, std::string_view data) {
  ttrpc::Response response;
  if (header.is(FrameType::Response) &&
      response.ParseFromArray(data.data(), static_cast<int>(data.size())) &&
      response.status().code() != 0)
    turned_away = error_of(response.status());
}

void Client::State::on_data(const FrameHeader& header, std::string_view data, Pending& call) {
  if (call.outcome) return;
  if (!call.on_message)
    return call.finish(Error{ErrorKind::Internal, "the server answered a call with a stream", {}});
  const bool wants_more = (header.flags & kNoData) != 0 || call.on_message(data);
  if (!wants_more || (header.flags & kRemoteClosed) != 0) call.finish(std::string());
}

void Client::State::on_oversize(const FrameHeader& header) {
  const auto found = pending.find(header.stream);
  if (found == pending.end()) return;
  const auto call = found->second;
  call->finish(Error{ErrorKind::ResourceExhausted,
                     oversize_message(header.length, kMaxDataBytes), {}});
}

void Client::State::on_closed(const Error& why) {
  lost = Error{ErrorKind::Unavailable, "the connection is lost: " + why.message, {}};
  if (relay) {
    if (relay->why()) lost = *relay->why();
    relay->close();
  }
  if (turned_away) lost = turned_away;
  for (const auto& [id, call] : std::map(pending)) call->finish(*lost);
}

/// Takes the next id and queues the request in one step: ids must go out in order.
Result<std::shared_ptr<Pending>> Client::State::begin(const ttrpc::Request& request,
                                                      std::uint8_t flags, std::uint32_t& stream) {
  if (lost) return *lost;
  if (turned_away) return *turned_away;
  const std::size_t size = request.ByteSizeLong();
  if (size > kMaxDataBytes)
    return Error{ErrorKind::ResourceExhausted, oversize_message(size, kMaxDataBytes), {}};
  if (connection->queued_bytes() + size > kMaxQueuedBytes / 2)
    return Error{ErrorKind::ResourceExhausted,
                 std::to_string(connection->queued_bytes()) + " bytes wait to be sent already",
                 "have fewer calls under way"};
  const auto id = ids.next();
  if (!id)
    return Error{ErrorKind::Unavailable, "the stream ids of this connection are used up",
                 "connect again"};
  asked = true;
  auto call = std::make_shared<Pending>(io);
  pending.emplace(*id, call);
  stream = *id;
  connection->send(FrameType::Request, *id, flags, request.SerializeAsString());
  return call;
}

Client::Client(std::shared_ptr<State> state) : state_(std::move(state)) {}
Client::~Client() { close(); }

Result<std::shared_ptr<Client>> Client::adopt(asio::io_context& io, Fd connected) {
  StreamSocket socket(io);
  boost::system::error_code error;
  const int family = family_of(connected.get());
  if (family != AF_UNIX) {
    const int on = 1;
    (void)::setsockopt(connected.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  socket.assign(asio::generic::stream_protocol(family, 0), connected.get(), error);
  if (error) return Error{ErrorKind::Internal, "cannot watch a socket: " + error.message(), {}};
  (void)connected.release();
  auto state = std::make_shared<State>(io, std::move(socket));
  state->connection->start(state);
  return std::make_shared<Client>(std::move(state));
}

asio::awaitable<Result<std::shared_ptr<Client>>> Client::connect(
    asio::io_context& io, const std::string& endpoint, std::chrono::milliseconds timeout) {
  const std::string where = endpoint;
  const auto deadline = Clock::now() + timeout;
  auto address = address_of(where);
  if (!address) co_return std::move(address).error();
  auto socket = Fd::adopt(
      ::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) co_return errno_error("cannot make a socket", errno);
  asio::steady_timer timer(io);
  for (;;) {
    if (::connect(socket.get(), address->get(), address->size) == 0 || errno == EISCONN) break;
    const int error = errno;
    if (error != EAGAIN && error != EINPROGRESS && error != EALREADY && error != EINTR)
      co_return errno_error("cannot connect to " + where, error, hint_for(error));
    if (Clock::now() >= deadline)
      co_return Error{ErrorKind::DeadlineExceeded, "cannot connect to " + where + " in " +
                      std::to_string(timeout.count()) + " ms", {}};
    timer.expires_after(kConnectRetry);
    (void)co_await timer.async_wait(kAsTuple);
  }
  co_return adopt(io, std::move(socket));
}

Result<std::shared_ptr<Client>> Client::adopt(asio::io_context& io, TlsConnection connected) {
  auto client = adopt(io, std::move(connected.local));
  if (!client) return client;
  auto& state = *(*client)->state_;
  state.relay = connected.relay;
  asio::co_spawn(io, connected.relay->run(),
                 [relay = connected.relay, token = state.tasks.enter()](std::exception_ptr thrown) {
                   if (thrown) relay->close();
                 });
  return client;
}

asio::awaitable<Result<std::shared_ptr<Client>>> Client::connect(
    asio::io_context& io, std::string endpoint, std::shared_ptr<TlsContext> tls,
    std::chrono::milliseconds timeout) {
  if (!is_tls_endpoint(endpoint)) co_return co_await connect(io, endpoint, timeout);
  auto where = parse_tls_endpoint(endpoint);
  if (!where) co_return std::move(where).error();
  if (!tls)
    co_return Error{ErrorKind::InvalidArgument, endpoint + " needs a certificate, a key and a CA",
                    {}};
  auto connected = co_await tls_connect(io, std::move(*where), std::move(tls), timeout);
  if (!connected) co_return std::move(connected).error();
  co_return adopt(io, std::move(*connected));
}

asio::awaitable<Result<std::string>> Client::call_raw(const std::string& service,
                                                      const std::string& method,
                                                      std::string payload,
                                                      std::chrono::nanoseconds timeout) {
  const auto state = state_;  // the client may be destroyed while we wait
  ttrpc::Request request;
  request.set_service(service);
  request.set_method(method);
  request.set_payload(std::move(payload));
  request.set_timeout_nano(timeout.count());
  const std::string what = method;
  std::uint32_t stream = 0;
  auto begun = state->begin(request, 0, stream);
  if (!begun) co_return std::move(begun).error();
  const auto call = *begun;
  if (timeout.count() > 0) call->wake.expires_after(timeout);
  if (!call->outcome) (void)co_await call->wake.async_wait(kAsTuple);
  state->pending.erase(stream);
  if (call->outcome) co_return std::move(*call->outcome);
  if (timeout.count() > 0 && call->wake.expiry() <= Clock::now())
    co_return Error{ErrorKind::DeadlineExceeded, what + ": no answer within " +
                    std::to_string(timeout.count() / 1'000'000) + " ms", {}};
  co_return Error{ErrorKind::Cancelled, what + ": the call was cancelled here", {}};
}

asio::awaitable<Status> Client::stream(const std::string& service, const std::string& method,
                                       std::string payload,
                                       std::function<bool(std::string_view)> on_message) {
  const auto state = state_;
  ttrpc::Request request;
  request.set_service(service);
  request.set_method(method);
  request.set_payload(std::move(payload));
  std::uint32_t stream = 0;
  auto begun = state->begin(request, kRemoteClosed, stream);
  if (!begun) co_return std::move(begun).error();
  const auto call = *begun;
  call->on_message = std::move(on_message);
  if (!call->outcome) (void)co_await call->wake.async_wait(kAsTuple);
  state->pending.erase(stream);
  call->on_message = nullptr;
  if (!call->outcome) co_return Error{ErrorKind::Cancelled, "the stream was cancelled here", {}};
  if (!*call->outcome) co_return std::move(*call->outcome).error();
  co_return ok();
}

void Client::close() {
  state_->connection->abort({ErrorKind::Unavailable, "it was closed here", {}});
}

asio::awaitable<void> Client::stop() {
  const auto state = state_;
  close();
  const auto changed = std::make_shared<asio::steady_timer>(state->io, Clock::time_point::max());
  state->tasks.on_change([changed] { changed->cancel(); });
  while (state->tasks.running() > 0) (void)co_await changed->async_wait(kAsTuple);
  state->tasks.on_change({});
}

bool Client::connected() const { return !state_->lost.has_value(); }

}  // namespace tariff::ipc
