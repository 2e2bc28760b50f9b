// SPDX-License-Identifier: Apache-2.0
#include "launcher/connection.h"

#include <sys/epoll.h>

#include <cstring>
#include <memory>

#include "base/packet.h"
#include "launcher/state.h"

namespace tariff::launcher {
Connection::Connection(Loop& loop, Fd socket, OnPacket on_packet, OnClosed on_closed)
    : loop_(loop), socket_(std::move(socket)), on_packet_(std::move(on_packet)),
      on_closed_(std::move(on_closed)) {
  const auto alive = alive_;
  auto watched = loop_.watch(socket_.get(), EPOLLIN, [this, alive](std::uint32_t events) {
    if (*alive) ready(events);
  });
  if (!watched) break_later("it cannot be watched");
}

Connection::~Connection() {
  *alive_ = false;
  loop_.forget(socket_.get());
}

void Connection::ready(std::uint32_t events) {
  const auto alive = alive_;
  if ((events & EPOLLOUT) != 0) flush();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
    for (int packet = 0; packet < kPacketsPerTurn && broken_ == nullptr; ++packet) {
      const bool more = read_one();
      if (!*alive) return;
      if (!more) break;
    }
  if (broken_ != nullptr) on_closed_(broken_);
}

/// True if a packet was read and there may be another.
bool Connection::read_one() {
  // One for all: a buffer of this size made for each packet would be mapped and unmapped each time.
  static char buffer[kLargestPacket];
  ReceivedPacket received = receive_packet(socket_.get(), buffer, sizeof buffer);
  if (received.size < 0 && errno == EAGAIN) return false;
  if (received.size == 0) broken_ = "the peer closed it";
  else if (received.size < 0) broken_ = std::strerror(errno);
  else if (received.truncated) broken_ = "a packet is too large";
  if (broken_ != nullptr) return false;
  Packet packet;
  packet.attached = std::move(received.attached);
  packet.bytes.assign(buffer, static_cast<std::size_t>(received.size));
  on_packet_(std::move(packet));
  return true;
}

int Connection::try_send(const std::string& bytes, int attached) {
  if (send_packet(socket_.get(), bytes.data(), bytes.size(), attached) >= 0) return 1;
  return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

void Connection::send(std::string bytes, Fd attached) {
  if (broken_ != nullptr) return;
  if (queue_.empty()) {
    const int sent = try_send(bytes, attached.get());
    if (sent > 0) return;
    if (sent < 0) return break_later(std::strerror(errno));
  }
  if (queued_bytes_ + bytes.size() > kQueueBytes) return break_later("the peer does not read");
  Packet packet;
  packet.attached = std::move(attached);
  queued_bytes_ += bytes.size();
  packet.bytes = std::move(bytes);
  queue_.push_back(std::move(packet));
  loop_.change(socket_.get(), EPOLLIN | EPOLLOUT);
}

void Connection::flush() {
  while (!queue_.empty()) {
    const int sent = try_send(queue_.front().bytes, queue_.front().attached.get());
    if (sent == 0) return;
    if (sent < 0) broken_ = std::strerror(errno);
    if (sent < 0) return;
    queued_bytes_ -= queue_.front().bytes.size();
    queue_.pop_front();
  }
  loop_.change(socket_.get(), EPOLLIN);
}

void Connection::save(state::Connection& message, StateWriter& state) const {
  message.set_socket(state.hand_over(socket_));
  for (const auto& packet : queue_) {
    state::Packet& queued = *message.add_queue();
    queued.set_bytes(packet.bytes);
    queued.set_attached(state.hand_over(packet.attached));
  }
}

/// Whoever sends does not expect to lose the connection under its hands.
void Connection::break_later(const char* why) {
  broken_ = why;
  loop_.post([this, alive = alive_] {
    if (*alive) on_closed_(broken_);
  });
}

}  // namespace tariff::launcher
