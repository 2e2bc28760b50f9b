// SPDX-License-Identifier: Apache-2.0
// The server's side of one connection: which calls are under way, what is answered to what.
// Every stream id is answered at most once; what a handler returns after that is dropped.
//
// A handler runs to its end even when nobody waits for the answer any more (a placement must not
// stop half way); it is told (CallContext::on_cancel) and goes on counting against max_streams and
// max_calls until it has ended, so that hanging up on calls is no way around the limits.
// Threading: the io_context's one thread. Errors: sent to the peer; nothing is logged here.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "ipc/connection.h"
#include "ipc/frame.h"
#include "ipc/server.h"
#include "ipc/tasks.h"

namespace tariff::ttrpc {
class Request;
}

namespace tariff::ipc {

class Session;

/// One method of one service: a unary handler or a stream handler.
struct Method {
  Server::UnaryHandler unary;
  Server::StreamHandler stream;
};

/// What the sessions of one server share.
struct ServerCore {
  ServerCore(asio::io_context& context, ServerLimits all_limits);

  asio::io_context& io;
  ServerLimits limits;
  /// Service name -> method name -> handler.
  std::map<std::string, std::map<std::string, std::shared_ptr<const Method>>> services;
  /// Connected, or gone but with handlers that have not ended.
  std::set<std::shared_ptr<Session>> sessions;
  std::size_t connected = 0;
  std::size_t remote = 0;  ///< of these, over TCP or TLS
  std::chrono::steady_clock::time_point no_room_since{};  ///< when nobody was idle
  std::function<Status(const Peer&, const std::string&, const std::string&)> authorise;
  Tasks io_tasks;    ///< accept loops and connections
  Tasks call_tasks;  ///< handlers
  std::shared_ptr<MemoryBudget> memory = std::make_shared<MemoryBudget>();
  bool stopping = false;
  std::function<void()> on_change;  ///< a connection was closed
};

/// Protobuf writes a line to stderr for each text that is not UTF-8; a peer could fill the journal
/// with them. It is answered instead.
void silence_protobuf();

class Session : public FrameReceiver, public std::enable_shared_from_this<Session> {
 public:
  /// Serves the connected socket until it is closed. The session is kept by `core` until then.
  static void begin(std::shared_ptr<ServerCore> core, StreamSocket socket, Peer peer);

  Session(std::shared_ptr<ServerCore> core, std::shared_ptr<Connection> connection, Peer peer);

  /// No new calls; those under way are told, and when the last is answered the connection closes.
  void begin_stop();
  void abort(Error why);
  /// Ends the handlers themselves: what they wait for fails with operation_aborted.
  void kill_calls();
  [[nodiscard]] bool remote() const { return !peer_->local; }
  /// Since when nothing has happened on it; empty while it has calls, or is closed.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> idle_since() const;
  /// Bytes kept for this peer; 0 once it is gone.
  [[nodiscard]] std::size_t held() const {
    return connection_->closed() ? 0 : connection_->held();
  }

 private:
  struct Call;
  class Sink;

  void on_frame(const FrameHeader& header, std::string_view data) override;
  void on_oversize(const FrameHeader& header) override;
  void on_end_of_input() override;
  void on_closed(const Error& why) override;

  void on_request(const FrameHeader& header, std::string_view data);
  void on_data(const FrameHeader& header);
  void begin_call(std::uint32_t stream, ttrpc::Request& request);
  [[nodiscard]] bool admit(std::uint32_t stream, const ttrpc::Request& request);
  asio::awaitable<void> run(std::shared_ptr<Call> call);
  void start_deadline(const std::shared_ptr<Call>& call, std::int64_t timeout_nano);
  void cancel(Call& call);
  void finish_unary(Call& call, Result<std::string> result);
  void finish_stream(Call& call, const Status& status);
  void end_call(Call& call);
  void answer_error(Call& call, std::int32_t code, std::string message);
  void send_error(std::uint32_t stream, std::int32_t code, std::string message);
  void close_if_done();
  void forget_if_done();

  const std::shared_ptr<ServerCore> core_;
  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<const Peer> peer_;
  const std::size_t max_streams_;
  StreamIdCheck ids_;
  std::map<std::uint32_t, std::shared_ptr<Call>> calls_;  ///< handlers that have not ended
  bool input_over_ = false;
  std::chrono::steady_clock::time_point last_active_;
};

}  // namespace tariff::ipc
