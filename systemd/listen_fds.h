// SPDX-License-Identifier: Apache-2.0
// Socket activation: the sockets that the service manager opened for us and passed at start, by
// name (FileDescriptorName= of the .socket unit; sd_listen_fds_with_names(3)).
//
//   auto passed = systemd::take_listen_fds();
//   auto socket = systemd::take_socket(*passed, "agent", systemd::SocketKind::Stream);
//   if (!*socket) open_it_ourselves();
//
// Threading: once, at start, before other threads exist, since the environment is changed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace tariff::systemd {

struct ListenFd {
  std::string name;
  Fd fd;  ///< close-on-exec
};

/// All descriptors passed to this process, and none if there are none. They can be taken once:
/// LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are removed, so that no child believes they are its.
Result<std::vector<ListenFd>> take_listen_fds();

enum class SocketKind {
  Stream,
  SeqPacket,
};

/// Takes the listening Unix socket called `name` out of `passed`; empty if none has that name.
/// Fails if there are two of that name, or if it is another kind of descriptor.
Result<std::optional<Fd>> take_socket(std::vector<ListenFd>& passed, const std::string& name,
                                      SocketKind kind);

}  // namespace tariff::systemd
