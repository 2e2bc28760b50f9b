// SPDX-License-Identifier: Apache-2.0
// Stream sockets as descriptors: made here so that each is close-on-exec and non-blocking from
// birth, which Asio's own open and accept do not do.
// Threading: any. Errors: values that name the address.
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/server.h"

namespace tariff::ipc {

/// A socket's address, as the kernel takes it.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  bool loopback = false;  ///< TCP to this machine only
  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// An absolute path of at most 107 bytes.
Result<Address> unix_address(const std::string& path);
/// "127.0.0.1:7070" or "[::1]:7070"; the host is a number, so that nothing is looked up.
Result<Address> tcp_address(const std::string& text);

/// Listening sockets. The Unix one has `mode` from the first moment and replaces a socket left
/// behind, but nothing that is not a socket.
Result<Fd> listen_on_unix(const std::string& path, unsigned mode);
Result<Fd> listen_on_tcp(const Address& address);

/// Whether this is a listening stream socket that we can serve; made non-blocking.
Status prepare_listener(const Fd& listener);

/// Who is at the other end of a connected socket, asked of the kernel.
Result<Peer> peer_of(int connected);

/// The local port of a TCP socket, 0 for any other.
int local_port(int socket);

/// AF_UNIX, AF_INET or AF_INET6; -1 if this is no socket.
int family_of(int socket);

}  // namespace tariff::ipc
