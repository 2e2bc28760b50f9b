// SPDX-License-Identifier: Apache-2.0
#include "launcher/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "launcher/state.h"

namespace tariff::launcher {
namespace {

// Room for more descriptors than one, so that a peer that sends more does not leak them into us.
constexpr std::size_t kMostDescriptors = 8;

Fd take_descriptors(msghdr& message) {
  Fd first;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t index = 0; index < count; ++index) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + index * sizeof number, sizeof number);
      Fd fd = Fd::adopt(number);
      if (!first) first = std::move(fd);
    }
  }
  return first;
}

}  // namespace

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
  Packet packet;
  packet.bytes.resize(kLargestPacket);
  iovec part{packet.bytes.data(), packet.bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
  packet.attached = size >= 0 ? take_descriptors(message) : Fd();
  if (size <= 0) broken_ = size == 0 ? "the peer closed it" : std::strerror(errno);
  else if ((message.msg_flags & MSG_TRUNC) != 0) broken_ = "a packet is too large";
  if (broken_ != nullptr) return false;
  packet.bytes.resize(static_cast<std::size_t>(size));
  on_packet_(std::move(packet));
  return true;
}

int Connection::try_send(const std::string& bytes, int attached) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (attached >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &attached, sizeof attached);
  }
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return 1;
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
