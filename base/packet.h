// SPDX-License-Identifier: Apache-2.0
// One packet of a SOCK_SEQPACKET socket with descriptors (SCM_RIGHTS). Neither call blocks. Errors
// are those of sendmsg(2) and recvmsg(2), in errno.
// send_packet() is inline and needs no library: tariff-exec has nothing else of base/.
#pragma once

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <cstddef>
#include <span>

#include "base/fd.h"

namespace tariff {

constexpr std::size_t kMostAttached = 2;  ///< to one packet: a job's payload and result

/// What sendmsg returns. `attached` are borrowed, at most kMostAttached of them.
inline ssize_t send_packet(int socket, const void* bytes, std::size_t size,
                           std::span<const int> attached = {}) {
  if (attached.size() > kMostAttached) {
    errno = EINVAL;
    return -1;
  }
  iovec part{const_cast<void*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostAttached * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!attached.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(attached.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(attached.size_bytes());
    memcpy(CMSG_DATA(header), attached.data(), attached.size_bytes());
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != EINTR) return sent;
  }
}

/// The same with one; -1 = none.
inline ssize_t send_packet(int socket, const void* bytes, std::size_t size, int attached) {
  return send_packet(socket, bytes, size,
                     std::span<const int>(&attached, attached >= 0 ? 1U : 0U));
}

struct ReceivedPacket {
  ssize_t size = -1;       ///< as recvmsg returns it; 0 = closed
  bool truncated = false;  ///< it was longer than the buffer
  Fd attached;             ///< the first one; more are closed
};
ReceivedPacket receive_packet(int socket, void* buffer, std::size_t room);

}  // namespace tariff
