// SPDX-License-Identifier: Apache-2.0
// One ttrpc connection, either end: frames in, frames out. It knows lengths and deadlines, and
// nothing of services.
//
// Why two coroutines: reading and writing must not wait for each other. Two ends that both write a
// lot and read only between writes stand still for ever (containerd/ttrpc #72, #94, #168, #174).
// So reading never stops, and what cannot be written waits in a queue with a bound; a peer that
// does not read loses its connection, and nobody else loses anything.
//
// Limits: a frame over `max_frame_bytes` is read into a fixed buffer and thrown away; a body is
// allocated as it arrives, not as it is announced. Units: bytes; deadlines in steady time.
// Threading: the io_context's one thread. Errors: values; the receiver learns of the end once.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipc/frame.h"
#include "ipc/tasks.h"

namespace tariff::ipc {

namespace asio = boost::asio;
using StreamSocket = asio::generic::stream_protocol::socket;

struct ConnectionLimits {
  std::size_t max_frame_bytes = kMaxDataBytes;
  std::size_t max_queued_bytes = 16U << 20;
  std::chrono::steady_clock::duration write_deadline = std::chrono::seconds(30);
  std::chrono::steady_clock::duration partial_frame_deadline = std::chrono::seconds(30);
  /// When writing fails, what the peer said before it closed is still read: a client's, which may
  /// have been turned away before it asked.
  bool read_out = false;
};

/// What several connections may hold in memory together: bodies under way, payloads, queued frames.
/// Each has its own bounds, but a thousand connections at their bounds would be too much.
struct MemoryBudget {
  std::size_t limit = SIZE_MAX;
  std::size_t used = 0;   ///< by open connections
  std::size_t dying = 0;  ///< by closed ones, until their handlers have ended
  /// Called when `used` has passed the limit: closes somebody.
  std::function<void()> relieve;

  [[nodiscard]] bool exhausted() const { return used + dying > limit; }
};

/// Who is told what arrives. Calls come from the loop, one at a time, none after on_closed().
class FrameReceiver {
 public:
  virtual ~FrameReceiver() = default;
  /// A whole frame; `data` lives as long as the call.
  virtual void on_frame(const FrameHeader& header, std::string_view data) = 0;
  /// A frame over the limit was thrown away.
  virtual void on_oversize(const FrameHeader& header) = 0;
  /// The peer will send no more, but may still read (shutdown(SHUT_WR)).
  virtual void on_end_of_input() = 0;
  /// The connection is gone; the last call.
  virtual void on_closed(const Error& why) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `tasks` counts the coroutines of this connection.
  Connection(asio::io_context& io, StreamSocket socket, ConnectionLimits limits, Tasks tasks,
             std::shared_ptr<MemoryBudget> budget);

  /// Begins to read and write. The receiver is kept until on_closed().
  void start(std::shared_ptr<FrameReceiver> receiver);

  /// Queues one frame. False: the connection is closed, perhaps just now because the peer has left
  /// more than max_queued_bytes unread. An empty queue takes any frame.
  bool send(FrameType type, std::uint32_t stream, std::uint8_t flags, std::string data);

  /// Whether a frame of `bytes` may be sent without risk for the connection: streams leave half of
  /// the queue free for answers.
  [[nodiscard]] bool has_room(std::size_t bytes) const;
  /// Waits until the answer to has_room() may have changed (also when closed, also for nothing).
  asio::awaitable<void> room_changed();
  void wake_waiting() { room_wake_.cancel(); }  ///< ends every room_changed()

  /// Writes what is queued, then closes. Nothing more is read.
  void close_when_flushed();
  /// Closes now. Does nothing when closed.
  void abort(Error why);

  /// Counts bytes that are kept on behalf of this peer. hold() may close connections, also this.
  void hold(std::size_t bytes);
  void release(std::size_t bytes);
  [[nodiscard]] std::size_t held() const { return held_; }

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] const ConnectionLimits& limits() const { return limits_; }

 private:
  struct OutFrame {
    HeaderBytes header;
    std::string data;
    [[nodiscard]] std::size_t size() const { return kHeaderBytes + data.size(); }
  };

  asio::awaitable<void> read_loop();
  asio::awaitable<void> write_loop();
  asio::awaitable<void> watch_hangup();
  asio::awaitable<bool> read_frame();
  asio::awaitable<bool> read_body(const FrameHeader& header);
  asio::awaitable<bool> read_long_body(std::size_t length, std::string& body);
  asio::awaitable<bool> discard_body(const FrameHeader& header);
  asio::awaitable<bool> fill(std::size_t wanted, bool frame_begun);
  asio::awaitable<std::size_t> read_some(char* into, std::size_t room, bool frame_begun);
  [[nodiscard]] std::size_t buffered() const { return read_end_ - read_begin_; }
  std::size_t take_buffered(std::size_t at_most, char* into);
  asio::awaitable<void> write_some();
  [[nodiscard]] bool has_unread() const;
  void end_of_input();
  [[nodiscard]] bool peer_hung_up();
  void gather();
  void written(std::size_t bytes);
  void begin_partial_frame();
  void arm_watchdog();
  void watchdog_fired();

  void spawn(asio::awaitable<void> coroutine);

  asio::io_context& io_;
  StreamSocket socket_;
  const ConnectionLimits limits_;
  Tasks tasks_;
  const std::shared_ptr<MemoryBudget> budget_;
  std::size_t held_ = 0;
  std::shared_ptr<FrameReceiver> receiver_;
  bool closed_ = false;
  bool closing_ = false;  ///< close_when_flushed() was called

  // Reading: bytes [read_begin_, read_end_) of the buffer have arrived and are not yet consumed.
  std::array<char, 16'384> buffer_;
  std::size_t read_begin_ = 0;
  std::size_t read_end_ = 0;
  std::optional<std::chrono::steady_clock::time_point> partial_since_;

  // Writing.
  std::deque<OutFrame> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t front_written_ = 0;  ///< of the first frame
  std::vector<asio::const_buffer> gathered_;
  asio::steady_timer writer_wake_;
  asio::steady_timer room_wake_;
  std::optional<std::chrono::steady_clock::time_point> blocked_since_;

  asio::steady_timer watchdog_;
  std::optional<std::chrono::steady_clock::time_point> watchdog_at_;
};

}  // namespace tariff::ipc
