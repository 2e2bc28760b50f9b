// SPDX-License-Identifier: Apache-2.0
// The agent's end of the launcher's socket (launcher/protocol.proto): connects, keeps trying when
// the launcher is away, matches replies to requests, hands events on.
//
// A session begins with Hello; then `on_session` runs (configure, read back all records) before
// anybody else's requests are let through, so that a restarted agent knows everything first.
// Losing the connection fails what is under way with Unavailable: whether a Launch was done is then
// unknown until the next session has listed the records.
//
// Threading: the io_context's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "launcher/protocol.pb.h"

namespace tariff::agent {

namespace asio = boost::asio;

/// A reply and the descriptor that came with it, if any.
struct LauncherReply {
  launcher::Response message;
  Fd descriptor;
};

class LauncherClient {
 public:
  struct Hooks {
    /// After Hello: bring both sides to the same state. An error ends the session (it is logged by
    /// on_lost and tried again).
    std::function<asio::awaitable<Status>()> on_session;
    std::function<void(const launcher::Record&)> on_event;
    std::function<void(const Error&)> on_lost;
  };

  LauncherClient(asio::io_context& io, std::string socket_path, std::string version, Hooks hooks);

  /// Connects and serves sessions until stop(). Run it once.
  asio::awaitable<void> run();
  void stop();

  /// True once a session's on_session has succeeded.
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] const std::string& launcher_version() const { return launcher_version_; }

  /// Waits until ready(), at most `patience`.
  asio::awaitable<bool> wait_ready(std::chrono::milliseconds patience);

  /// One request, one reply. `descriptor` (borrowed) goes with it when valid (>= 0).
  asio::awaitable<Result<LauncherReply>> request(launcher::Request request, int descriptor = -1);

  /// All records, one call of `each` per record.
  asio::awaitable<Status> list(std::function<void(const launcher::Record&)> each);

 private:
  struct Pending {
    explicit Pending(asio::io_context& io) : done(io, asio::steady_timer::time_point::max()) {}
    asio::steady_timer done;
    std::function<void(const launcher::Record&)> each;  ///< of a list
    std::deque<LauncherReply> replies;                  ///< at most one, once complete
    bool failed = false;
  };
  struct Packet {
    std::string bytes;
    Fd descriptor;
  };

  asio::awaitable<Status> session();
  asio::awaitable<Status> handshake();
  asio::awaitable<void> read_loop(std::shared_ptr<asio::posix::stream_descriptor> socket,
                                  std::shared_ptr<Error> why);
  asio::awaitable<void> write_loop(std::shared_ptr<asio::posix::stream_descriptor> socket);
  Status send(int socket, const Packet& packet);
  Result<bool> receive(int socket);
  void dispatch(LauncherReply reply);
  void close_session();
  asio::awaitable<Result<LauncherReply>> exchange(
      launcher::Request request, int descriptor,
      std::function<void(const launcher::Record&)> each);

  asio::io_context& io_;
  std::string socket_path_;
  std::string version_;
  Hooks hooks_;
  std::shared_ptr<asio::posix::stream_descriptor> socket_;
  asio::steady_timer writable_;    ///< cancelled when there is something to write
  asio::steady_timer retry_;
  std::vector<std::weak_ptr<asio::steady_timer>> awaiting_ready_;
  std::deque<Packet> outgoing_;
  std::map<std::uint64_t, std::shared_ptr<Pending>> pending_;
  std::uint64_t next_sequence_ = 1;
  std::string launcher_version_;
  std::string buffer_;
  bool ready_ = false;
  bool stopping_ = false;
};

}  // namespace tariff::agent
