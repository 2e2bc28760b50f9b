// SPDX-License-Identifier: Apache-2.0
#include "base/packet.h"

namespace tariff {
namespace {

// Room for more descriptors than one, so that a peer that sends more does not leak them into us.
constexpr std::size_t kMostDescriptors = 8;

Fd take_first(msghdr& message) {
  Fd first;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t index = 0; index < count; ++index) {
      int number = -1;
      memcpy(&number, CMSG_DATA(header) + index * sizeof number, sizeof number);
      Fd fd = Fd::adopt(number);
      if (!first) first = std::move(fd);
    }
  }
  return first;
}

}  // namespace

ReceivedPacket receive_packet(int socket, void* buffer, std::size_t room) {
  iovec part{buffer, room};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ReceivedPacket packet;
  do {
    packet.size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (packet.size < 0 && errno == EINTR);
  if (packet.size < 0) return packet;
  packet.truncated = (message.msg_flags & MSG_TRUNC) != 0;
  packet.attached = take_first(message);
  return packet;
}

}  // namespace tariff
