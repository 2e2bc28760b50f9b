// SPDX-License-Identifier: Apache-2.0
#include "ipc/connection.h"

#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <span>

namespace tariff::ipc {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

/// What a queued frame costs beyond its bytes (string and deque node, rounded up), so that a flood
/// of empty answers meets the queue's bound too.
constexpr std::size_t kFrameOverhead = 64;

/// Frames written in one system call; two buffers each, and Asio passes on at most 64.
constexpr std::size_t kGatherFrames = 32;

/// A body longer than the read buffer grows by at least this, and at most doubles, as it arrives.
constexpr std::size_t kBodyChunk = 65'536;

Error gone(std::string message) { return {ErrorKind::Unavailable, std::move(message), {}}; }

std::string in_milliseconds(Clock::duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) +
         " ms";
}

}  // namespace

Connection::Connection(asio::io_context& io, StreamSocket socket, ConnectionLimits limits,
                       Tasks tasks, std::shared_ptr<MemoryBudget> budget)
    : io_(io),
      socket_(std::move(socket)),
      limits_(limits),
      tasks_(std::move(tasks)),
      budget_(std::move(budget)),
      writer_wake_(io, Clock::time_point::max()),
      room_wake_(io, Clock::time_point::max()),
      watchdog_(io) {
  gathered_.reserve(2 * kGatherFrames);
}

void Connection::start(std::shared_ptr<FrameReceiver> receiver) {
  TARIFF_CHECK(!receiver_ && !closed_, "a connection is started once");
  receiver_ = std::move(receiver);
  spawn(read_loop());
  spawn(write_loop());
}

void Connection::spawn(asio::awaitable<void> coroutine) {
  asio::co_spawn(io_, std::move(coroutine),
                 [self = shared_from_this(), token = tasks_.enter()](std::exception_ptr failure) {
                   // Only memory can run out in there; it costs this connection alone.
                   if (failure) self->abort({ErrorKind::Internal, "out of memory", {}});
                 });
}

bool Connection::send(FrameType type, std::uint32_t stream, std::uint8_t flags, std::string data) {
  if (closed_ || closing_) return false;
  TARIFF_CHECK(data.size() <= kMaxDataBytes, "a frame over the protocol's maximum");
  const FrameHeader header{static_cast<std::uint32_t>(data.size()), stream,
                           static_cast<std::uint8_t>(type), flags};
  OutFrame frame{encode(header), std::move(data)};
  const std::size_t cost = frame.size() + kFrameOverhead;
  if (!queue_.empty() && queued_bytes_ + cost > limits_.max_queued_bytes) {
    abort({ErrorKind::ResourceExhausted,
           "the peer has left " + std::to_string(queued_bytes_) + " bytes unread", {}});
    return false;
  }
  queued_bytes_ += cost;
  queue_.push_back(std::move(frame));
  writer_wake_.cancel();
  hold(cost);
  return !closed_;
}

void Connection::hold(std::size_t bytes) {
  held_ += bytes;
  (closed_ ? budget_->dying : budget_->used) += bytes;
  if (budget_->used > budget_->limit && budget_->relieve) budget_->relieve();
}

void Connection::release(std::size_t bytes) {
  held_ -= bytes;
  (closed_ ? budget_->dying : budget_->used) -= bytes;
}

bool Connection::has_room(std::size_t bytes) const {
  return queue_.empty() || queued_bytes_ + bytes <= limits_.max_queued_bytes / 2;
}

asio::awaitable<void> Connection::room_changed() {
  if (!closed_ && !closing_) (void)co_await room_wake_.async_wait(kAsTuple);
}

void Connection::close_when_flushed() {
  if (closed_ || closing_) return;
  closing_ = true;
  boost::system::error_code ignored;  // a peer that is gone already is found by the writer
  socket_.shutdown(StreamSocket::shutdown_receive, ignored);
  writer_wake_.cancel();
  room_wake_.cancel();
}

void Connection::abort(Error why) {
  if (closed_) return;
  closed_ = true;
  budget_->used -= held_;
  budget_->dying += held_;
  boost::system::error_code ignored;  // the descriptor is freed in any case
  socket_.close(ignored);
  writer_wake_.cancel();
  room_wake_.cancel();
  watchdog_.cancel();
  if (const auto receiver = std::move(receiver_)) receiver->on_closed(why);
}

// ---------------------------------------------------------------------------------- reading

// In this file co_await never stands in a condition: GCC 12 miscompiles it within && and while.

asio::awaitable<void> Connection::read_loop() {
  bool more = true;
  while (more && !closed_ && !closing_) more = co_await read_frame();
}

asio::awaitable<bool> Connection::read_frame() {
  if (buffered() < kHeaderBytes) {
    const bool filled = co_await fill(kHeaderBytes, false);
    if (!filled) co_return false;
  }
  HeaderBytes bytes{};
  std::memcpy(bytes.data(), buffer_.data() + read_begin_, kHeaderBytes);
  read_begin_ += kHeaderBytes;
  const FrameHeader header = decode(bytes);
  const LengthVerdict verdict = judge_length(header.length, limits_.max_frame_bytes);
  if (verdict == LengthVerdict::Take) co_return co_await read_body(header);
  if (verdict == LengthVerdict::Discard) {
    const bool discarded = co_await discard_body(header);
    if (!discarded) co_return false;
  }
  partial_since_.reset();
  const auto receiver = receiver_;
  receiver->on_oversize(header);
  if (verdict == LengthVerdict::HangUp) close_when_flushed();
  co_return true;
}

asio::awaitable<bool> Connection::read_body(const FrameHeader& header) {
  const std::size_t length = header.length;
  std::string body;
  std::string_view data;
  if (length <= buffer_.size()) {
    if (buffered() < length) {
      const bool filled = co_await fill(length, true);
      if (!filled) co_return false;
    }
    data = {buffer_.data() + read_begin_, length};
    read_begin_ += length;
  } else {
    const bool complete = co_await read_long_body(length, body);
    if (!complete) {
      release(body.size());
      co_return false;
    }
    data = body;
  }
  partial_since_.reset();
  const auto receiver = receiver_;
  receiver->on_frame(header, data);
  release(body.size());
  co_return true;
}

asio::awaitable<bool> Connection::read_long_body(std::size_t length, std::string& body) {
  std::size_t have = 0;
  while (have < length) {
    if (have == body.size()) {
      const std::size_t more = std::min(length - have, std::max(have, kBodyChunk));
      body.resize(have + more);
      hold(more);
      if (closed_) co_return false;
    }
    std::size_t n = take_buffered(body.size() - have, body.data() + have);
    if (n == 0) n = co_await read_some(body.data() + have, body.size() - have, true);
    if (n == 0) co_return false;
    have += n;
  }
  co_return true;
}

asio::awaitable<bool> Connection::discard_body(const FrameHeader& header) {
  std::size_t left = header.length;
  while (left > 0) {
    std::size_t n = take_buffered(left, nullptr);
    if (n == 0) {
      n = co_await read_some(buffer_.data(), std::min(left, buffer_.size()), true);
    }
    if (n == 0) co_return false;
    left -= n;
  }
  co_return true;
}

std::size_t Connection::take_buffered(std::size_t at_most, char* into) {
  const std::size_t n = std::min(at_most, buffered());
  if (into != nullptr) std::memcpy(into, buffer_.data() + read_begin_, n);
  read_begin_ += n;
  return n;
}

/// Reads until `wanted` bytes lie in the buffer. Requires: wanted <= buffer_.size().
asio::awaitable<bool> Connection::fill(std::size_t wanted, bool frame_begun) {
  while (buffered() < wanted) {
    if (read_begin_ > 0 && (buffered() == 0 || read_begin_ + wanted > buffer_.size())) {
      std::memmove(buffer_.data(), buffer_.data() + read_begin_, buffered());
      read_end_ -= read_begin_;
      read_begin_ = 0;
    }
    const std::size_t n = co_await read_some(buffer_.data() + read_end_,
                                             buffer_.size() - read_end_,
                                             frame_begun || buffered() > 0);
    if (n == 0) co_return false;
    read_end_ += n;
  }
  co_return true;
}

/// Bytes read; 0 when there will be no more, for whatever reason (which has been dealt with).
asio::awaitable<std::size_t> Connection::read_some(char* into, std::size_t room,
                                                   bool frame_begun) {
  if (frame_begun) begin_partial_frame();
  const auto [error, n] = co_await socket_.async_read_some(asio::buffer(into, room), kAsTuple);
  if (closed_ || closing_) co_return 0;
  if (error == asio::error::eof) {
    end_of_input();
    co_return 0;
  }
  if (error) {
    abort(gone("reading failed: " + error.message()));
    co_return 0;
  }
  co_return n;
}

/// A frame cut short by the end of input is dropped with it: there is nobody to blame it to.
void Connection::end_of_input() {
  partial_since_.reset();
  if (peer_hung_up()) return abort(gone("the peer closed the connection"));
  const auto receiver = receiver_;
  receiver->on_end_of_input();
  if (!closed_) spawn(watch_hangup());
}

/// End of file says only that the peer sends no more. Whether it can still read is told by the
/// kernel apart from that: a Unix socket hangs up when the peer's end is closed altogether, TCP
/// when it was reset.
bool Connection::peer_hung_up() {
  pollfd descriptor{socket_.native_handle(), 0, 0};
  return ::poll(&descriptor, 1, 0) > 0 && (descriptor.revents & (POLLHUP | POLLERR)) != 0;
}

asio::awaitable<void> Connection::watch_hangup() {
  while (!closed_) {
    if (peer_hung_up()) {
      abort(gone("the peer closed the connection"));
      co_return;
    }
    (void)co_await socket_.async_wait(StreamSocket::wait_error, kAsTuple);
  }
}

// ---------------------------------------------------------------------------------- writing

asio::awaitable<void> Connection::write_loop() {
  while (!closed_) {
    if (!queue_.empty()) {
      co_await write_some();
    } else if (closing_) {
      abort(gone("the connection was closed here"));
    } else {
      (void)co_await writer_wake_.async_wait(kAsTuple);
    }
  }
  queue_.clear();
  release(queued_bytes_);
  queued_bytes_ = 0;
}

asio::awaitable<void> Connection::write_some() {
  gather();
  blocked_since_ = Clock::now();
  arm_watchdog();
  const std::span<const asio::const_buffer> buffers(gathered_);
  const auto [error, n] = co_await socket_.async_write_some(buffers, kAsTuple);
  blocked_since_.reset();
  if (closed_) co_return;
  if (error && limits_.read_out && has_unread()) {
    while (!closed_) (void)co_await writer_wake_.async_wait(kAsTuple);  // the reader finds the end
    co_return;
  }
  if (error) {
    abort(gone("writing failed: " + error.message()));
    co_return;
  }
  written(n);
}

bool Connection::has_unread() const {
  int bytes = 0;
  return ::ioctl(const_cast<StreamSocket&>(socket_).native_handle(), FIONREAD, &bytes) == 0 &&
         bytes > 0;
}

/// Header and data of as many frames as fit one system call: the peer is woken once for all.
void Connection::gather() {
  gathered_.clear();
  std::size_t skip = front_written_;
  for (const OutFrame& frame : queue_) {
    if (gathered_.size() == 2 * kGatherFrames) break;
    const std::size_t of_header = std::min(skip, kHeaderBytes);
    const std::size_t of_data = skip - of_header;
    gathered_.emplace_back(frame.header.data() + of_header, kHeaderBytes - of_header);
    gathered_.emplace_back(frame.data.data() + of_data, frame.data.size() - of_data);
    skip = 0;
  }
}

void Connection::written(std::size_t bytes) {
  front_written_ += bytes;
  while (!queue_.empty() && front_written_ >= queue_.front().size()) {
    front_written_ -= queue_.front().size();
    const std::size_t cost = queue_.front().size() + kFrameOverhead;
    queued_bytes_ -= cost;
    release(cost);
    queue_.pop_front();
  }
  room_wake_.cancel();
}

// ---------------------------------------------------------------------------------- deadlines

void Connection::begin_partial_frame() {
  if (partial_since_) return;
  partial_since_ = Clock::now();
  arm_watchdog();
}

/// One timer for both deadlines. It is not touched while it is set early enough, so that a busy
/// connection pays for reading the clock only.
void Connection::arm_watchdog() {
  auto at = Clock::time_point::max();
  if (blocked_since_) at = std::min(at, *blocked_since_ + limits_.write_deadline);
  if (partial_since_) at = std::min(at, *partial_since_ + limits_.partial_frame_deadline);
  if (closed_ || at == Clock::time_point::max() || (watchdog_at_ && *watchdog_at_ <= at)) return;
  watchdog_at_ = at;
  watchdog_.expires_at(at);
  watchdog_.async_wait([self = shared_from_this(), token = tasks_.enter()](
                           const boost::system::error_code& error) {
    if (!error) self->watchdog_fired();
  });
}

void Connection::watchdog_fired() {
  watchdog_at_.reset();
  if (closed_) return;
  const auto now = Clock::now();
  if (blocked_since_ && now - *blocked_since_ >= limits_.write_deadline)
    return abort({ErrorKind::DeadlineExceeded,
                  "the peer has read nothing for " + in_milliseconds(limits_.write_deadline), {}});
  if (partial_since_ && now - *partial_since_ >= limits_.partial_frame_deadline)
    return abort({ErrorKind::DeadlineExceeded,
                  "a frame was not complete after " +
                      in_milliseconds(limits_.partial_frame_deadline), {}});
  arm_watchdog();
}

}  // namespace tariff::ipc
