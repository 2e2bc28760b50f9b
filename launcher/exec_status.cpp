// SPDX-License-Identifier: Apache-2.0
#include "launcher/exec_status.h"

#include <cerrno>

#include "base/packet.h"

namespace tariff::launcher {

std::optional<ReceivedStatus> receive_status(int channel) {
  ReceivedStatus received;
  ReceivedPacket packet = receive_packet(channel, &received.status, sizeof received.status);
  if (packet.size < 0 && errno == EAGAIN) return std::nullopt;
  received.closed = packet.size != static_cast<ssize_t>(sizeof received.status);
  received.attached = std::move(packet.attached);
  return received;
}

}  // namespace tariff::launcher
