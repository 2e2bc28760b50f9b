// SPDX-License-Identifier: Apache-2.0
// One packet of a SOCK_SEQPACKET socket with at most one descriptor (SCM_RIGHTS). Neither call
// blocks. Errors are those of sendmsg(2) and recvmsg(2), in errno.
// send_packet() is inline and needs no library: tariff-exec has nothing else of base/.
#pragma once

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <cstddef>

#include "base/fd.h"

namespace tariff {

/// What sendmsg returns. `attached` is borrowed; -1 = none.
inline ssize_t send_packet(int socket, const void* bytes, std::size_t size, int attached = -1) {
  iovec part{const_cast<void*>(bytes), size};
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
    memcpy(CMSG_DATA(header), &attached, sizeof attached);
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != EINTR) return sent;
  }
}

struct ReceivedPacket {
  ssize_t size = -1;       ///< as recvmsg returns it; 0 = closed
  bool truncated = false;  ///< it was longer than the buffer
  Fd attached;             ///< the first one; more are closed
};
ReceivedPacket receive_packet(int socket, void* buffer, std::size_t room);

}  // namespace tariff
