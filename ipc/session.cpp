// SPDX-License-Identifier: Apache-2.0
#include "ipc/session.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <google/protobuf/stubs/logging.h>
#include <optional>

#include "ipc/proto/ttrpc.pb.h"
#include "ipc/status_code.h"

namespace tariff::ipc {
namespace {

using Clock = std::chrono::steady_clock;

// google.rpc.Code, where the error is the protocol's own and never was a tariff::Error.
constexpr std::int32_t kInvalidArgument = 3;
constexpr std::int32_t kDeadlineExceeded = 4;
constexpr std::int32_t kResourceExhausted = 8;
constexpr std::int32_t kUnimplemented = 12;
constexpr std::int32_t kInternal = 13;
constexpr std::int32_t kUnavailable = 14;

/// A longer timeout is no timeout: one that overflowed would be in the past.
constexpr std::int64_t kLongestTimeout =
    std::chrono::nanoseconds(std::chrono::hours(24 * 365)).count();

/// Calls this small are taken also while the memory of all connections is over its bound (a moment,
/// until what was closed for it has let go): max_calls of them are 32 MiB, and whoever sends them
/// is not who filled it.
constexpr std::size_t kSmallPayload = 4'096;

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

void silence_protobuf() { google::protobuf::SetLogHandler(nullptr); }

struct Session::Call {
  Call(std::uint32_t id, std::shared_ptr<const Method> which, std::shared_ptr<const Peer> who)
      : stream(id), method(std::move(which)), peer(std::move(who)), context{*peer} {}

  const std::uint32_t stream;
  const std::shared_ptr<const Method> method;  // kept: the handler's captures live in it
  const std::shared_ptr<const Peer> peer;
  CallContext context;
  std::string payload;
  bool answered = false;
  std::optional<asio::steady_timer> timer;
  asio::cancellation_signal kill;
};

/// Writes the messages of one server stream. Lives in the coroutine that runs the handler.
class Session::Sink : public StreamSink {
 public:
  Sink(Session& session, Call& call) : session_(session), call_(call) {}

  asio::awaitable<Status> send(std::string message) override {
    auto& connection = *session_.connection_;
    const std::size_t size = message.size();
    if (size > connection.limits().max_frame_bytes)
      co_return Error{ErrorKind::ResourceExhausted,
                      oversize_message(size, connection.limits().max_frame_bytes), {}};
    while (!over() && !connection.has_room(size)) co_await connection.room_changed();
    if (over()) co_return why();
    // Length 0 without the no-data flag is a message like any other: the empty one.
    if (!connection.send(FrameType::Data, call_.stream, 0, std::move(message))) co_return why();
    co_return ok();
  }

  [[nodiscard]] bool gone() const override { return over(); }

 private:
  [[nodiscard]] bool over() const {
    return call_.context.cancelled || call_.answered || session_.connection_->closed();
  }
  [[nodiscard]] Error why() const {
    if (session_.core_->stopping && !session_.connection_->closed())
      return {ErrorKind::Unavailable, "the server is stopping", {}};
    return {ErrorKind::Unavailable, "nobody reads this stream any more", {}};
  }

  Session& session_;
  Call& call_;
};

ServerCore::ServerCore(asio::io_context& context, ServerLimits all_limits)
    : io(context), limits(all_limits) {
  memory->limit = limits.max_buffered_bytes;
  memory->relieve = [this] {
    const auto most = std::max_element(
        sessions.begin(), sessions.end(),
        [](const auto& one, const auto& other) { return one->held() < other->held(); });
    if (most == sessions.end()) return;
    const auto session = *most;
    session->abort({ErrorKind::ResourceExhausted, "it held most of the memory", {}});
  };
}

void Session::begin(std::shared_ptr<ServerCore> core, StreamSocket socket, Peer peer) {
  const ServerLimits& given = core->limits;
  ConnectionLimits limits;
  limits.max_frame_bytes = std::min<std::size_t>(given.max_frame_bytes, kMaxDataBytes);
  limits.max_queued_bytes = given.max_queued_bytes;
  limits.write_deadline = given.write_deadline;
  limits.partial_frame_deadline = given.partial_frame_deadline;
  auto connection =
      std::make_shared<Connection>(core->io, std::move(socket), limits, core->io_tasks,
                                   core->memory);
  auto session = std::make_shared<Session>(core, connection, std::move(peer));
  core->sessions.insert(session);
  ++core->connected;
  if (session->remote()) ++core->remote;
  connection->start(session);
}

Session::Session(std::shared_ptr<ServerCore> core, std::shared_ptr<Connection> connection,
                 Peer peer)
    : core_(std::move(core)),
      connection_(std::move(connection)),
      peer_(std::make_shared<const Peer>(std::move(peer))),
      max_streams_(core_->limits.max_streams),
      last_active_(Clock::now()) {}

std::optional<Clock::time_point> Session::idle_since() const {
  if (!calls_.empty() || connection_->closed()) return std::nullopt;
  return last_active_;
}

// ---------------------------------------------------------------------------------- frames in

void Session::on_frame(const FrameHeader& header, std::string_view data) {
  last_active_ = Clock::now();
  // Anything else is of a later protocol, or an answer to a question we did not ask.
  if (header.is(FrameType::Request)) on_request(header, data);
  if (header.is(FrameType::Data)) on_data(header);
}

void Session::on_request(const FrameHeader& header, std::string_view data) {
  switch (ids_.admit(header.stream)) {
    case StreamIdCheck::Verdict::Even:
      return send_error(header.stream, kInvalidArgument,
                        "StreamID must be odd for client initiated streams");
    case StreamIdCheck::Verdict::Reused:
      return send_error(header.stream, kInvalidArgument,
                        "StreamID cannot be re-used and must increment");
    case StreamIdCheck::Verdict::Fresh: break;
  }
  ttrpc::Request request;
  if (!request.ParseFromArray(data.data(), static_cast<int>(data.size())))
    return send_error(header.stream, kInvalidArgument,
                      "unmarshal request error: not a ttrpc Request (or its text is not UTF-8)");
  if (admit(header.stream, request)) begin_call(header.stream, request);
}

/// None of our methods takes a stream from the client, so Data is either the client's way to say
/// that it has nothing more to send, or an error that ends the call.
void Session::on_data(const FrameHeader& header) {
  if (StreamIdCheck::is_even(header.stream))
    return send_error(header.stream, kInvalidArgument,
                      "StreamID must be odd for client initiated streams");
  const auto found = calls_.find(header.stream);
  if (found == calls_.end() || found->second->answered)
    return send_error(header.stream, kInvalidArgument, "StreamID is no longer active");
  Call& call = *found->second;
  if (call.method->stream && (header.flags & kNoData) != 0) return;
  answer_error(call, kInvalidArgument, "data handling error: this method takes no stream");
  cancel(call);
}

void Session::on_oversize(const FrameHeader& header) {
  send_error(header.stream, kResourceExhausted,
             oversize_message(header.length, connection_->limits().max_frame_bytes));
}

void Session::on_end_of_input() {
  input_over_ = true;
  close_if_done();
}

void Session::on_closed(const Error&) {
  const auto self = shared_from_this();
  for (const auto& [id, call] : std::map(calls_)) cancel(*call);
  --core_->connected;
  if (remote()) --core_->remote;
  forget_if_done();
  if (core_->on_change) core_->on_change();
}

// ---------------------------------------------------------------------------------- calls

/// Whether the call may start; if not, it has been answered.
bool Session::admit(std::uint32_t stream, const ttrpc::Request& request) {
  const auto refuse = [&](std::int32_t code, std::string message) {
    send_error(stream, code, std::move(message));
    return false;
  };
  const auto service = core_->services.find(request.service());
  if (service == core_->services.end())
    return refuse(kUnimplemented, "service " + request.service());
  if (!service->second.contains(request.method()))
    return refuse(kUnimplemented, "method " + request.method());
  if (core_->authorise)
    if (auto allowed = core_->authorise(*peer_, request.service(), request.method()); !allowed)
      return refuse(code_of(allowed.error().kind), allowed.error().text());
  if (request.timeout_nano() < 0) return refuse(kDeadlineExceeded, "context deadline exceeded");
  if (core_->stopping) return refuse(kUnavailable, "the server is stopping");
  if (calls_.size() >= max_streams_)
    return refuse(kResourceExhausted, "too many calls under way on this connection (at most " +
                                          std::to_string(max_streams_) + ")");
  if (core_->memory->exhausted() && request.payload().size() > kSmallPayload)
    return refuse(kResourceExhausted, "too many calls under way: their payloads fill the memory");
  if (core_->call_tasks.running() >= core_->limits.max_calls)
    return refuse(kResourceExhausted, "too many calls under way (at most " +
                                          std::to_string(core_->limits.max_calls) + ")");
  return true;
}

void Session::begin_call(std::uint32_t stream, ttrpc::Request& request) {
  auto method = core_->services[request.service()][request.method()];
  auto call = std::make_shared<Call>(stream, std::move(method), peer_);
  call->payload = std::move(*request.mutable_payload());
  for (auto& entry : *request.mutable_metadata())
    call->context.metadata[lower(entry.key())] = entry.value();
  connection_->hold(call->payload.size());
  if (connection_->closed()) return connection_->release(call->payload.size());
  calls_.emplace(stream, call);
  start_deadline(call, request.timeout_nano());
  asio::co_spawn(core_->io, run(call),
                 asio::bind_cancellation_slot(
                     call->kill.slot(),
                     [self = shared_from_this(), call, token = core_->call_tasks.enter()](
                         std::exception_ptr) {
                       self->answer_error(*call, kInternal, "the handler was ended");
                       self->end_call(*call);
                     }));
}

void Session::start_deadline(const std::shared_ptr<Call>& call, std::int64_t timeout_nano) {
  if (timeout_nano == 0 || timeout_nano > kLongestTimeout) return;
  call->context.deadline = Clock::now() + std::chrono::nanoseconds(timeout_nano);
  call->timer.emplace(core_->io, *call->context.deadline);
  call->timer->async_wait([self = shared_from_this(), call, token = core_->io_tasks.enter()](
                              const boost::system::error_code& error) {
    if (error || call->answered) return;
    self->answer_error(*call, kDeadlineExceeded, "context deadline exceeded");
    self->cancel(*call);
  });
}

asio::awaitable<void> Session::run(std::shared_ptr<Call> call) {
  std::string failure;
  try {
    if (call->method->unary) {
      auto result = co_await call->method->unary(call->context, call->payload);
      finish_unary(*call, std::move(result));
    } else {
      Sink sink(*this, *call);
      auto status = co_await call->method->stream(call->context, call->payload, sink);
      finish_stream(*call, status);
    }
  } catch (const std::exception& error) {
    // Of a library, or std::bad_alloc; ours are values.
    answer_error(*call, kInternal, std::string("the handler failed: ") + error.what());
  }
}

void Session::cancel(Call& call) {
  if (call.context.cancelled) return;
  call.context.cancelled = true;
  if (const auto tell = std::move(call.context.on_cancel)) tell();
  connection_->wake_waiting();
}

void Session::finish_unary(Call& call, Result<std::string> result) {
  if (!result)
    return answer_error(call, code_of(result.error().kind), result.error().text());
  if (call.answered) return;
  ttrpc::Response response;  // without a status, as Go says OK
  response.set_payload(std::move(*result));
  const std::size_t limit = connection_->limits().max_frame_bytes;
  if (response.ByteSizeLong() > limit)
    return answer_error(call, kResourceExhausted,
                        oversize_message(response.ByteSizeLong(), limit));
  call.answered = true;
  connection_->send(FrameType::Response, call.stream, 0, response.SerializeAsString());
}

void Session::finish_stream(Call& call, const Status& status) {
  if (!status)
    return answer_error(call, code_of(status.error().kind), status.error().text());
  if (call.answered) return;
  // A stream that was told to end is not complete, whatever its handler says.
  if (call.context.cancelled && core_->stopping)
    return answer_error(call, kUnavailable, "the server is stopping");
  call.answered = true;
  connection_->send(FrameType::Data, call.stream, kRemoteClosed | kNoData, {});
}

/// The handler has ended, however it did.
void Session::end_call(Call& call) {
  call.context.on_cancel = nullptr;
  if (call.timer) call.timer->cancel();
  calls_.erase(call.stream);
  last_active_ = Clock::now();
  connection_->release(call.payload.size());
  close_if_done();
  forget_if_done();
}

void Session::answer_error(Call& call, std::int32_t code, std::string message) {
  if (call.answered) return;
  call.answered = true;
  send_error(call.stream, code, std::move(message));
}

void Session::send_error(std::uint32_t stream, std::int32_t code, std::string message) {
  ttrpc::Response response;
  response.mutable_status()->set_code(code);
  response.mutable_status()->set_message(as_utf8(std::move(message)));
  connection_->send(FrameType::Response, stream, 0, response.SerializeAsString());
}

void Session::close_if_done() {
  if (calls_.empty() && (input_over_ || core_->stopping)) connection_->close_when_flushed();
}

void Session::forget_if_done() {
  if (connection_->closed() && calls_.empty()) core_->sessions.erase(shared_from_this());
}

void Session::abort(Error why) { connection_->abort(std::move(why)); }

void Session::begin_stop() {
  for (const auto& [id, call] : std::map(calls_)) cancel(*call);
  close_if_done();
}

void Session::kill_calls() {
  for (const auto& [id, call] : std::map(calls_))
    call->kill.emit(asio::cancellation_type::terminal);
}

}  // namespace tariff::ipc
