// SPDX-License-Identifier: Apache-2.0
#include "ipc/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstring>

namespace tariff::ipc {
namespace {

/// Connections that wait to be accepted; the kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 1'024;

Result<Fd> open_socket(int family) {
  auto socket = Fd::adopt(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno_error("cannot make a socket", errno);
  return socket;
}

Error bad_tcp_address(const std::string& text) {
  return {ErrorKind::InvalidArgument, "\"" + text + "\" is not a numeric address and a port",
          "write 127.0.0.1:7070 or [::1]:7070"};
}

std::optional<int> option(int socket, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(socket, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
  return value;
}

std::string printable(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (storage.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(address.sin_port));
  }
  const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
  ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(address.sin6_port));
}

/// Removes what an earlier process left at the path. Anything but a socket is somebody's file.
Status remove_old_socket(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return ok();
    return errno_error("cannot look at " + path, errno);
  }
  if (!S_ISSOCK(info.st_mode))
    return Error{ErrorKind::AlreadyExists, path + " exists and is not a socket",
                 "remove it or choose another path"};
  if (::unlink(path.c_str()) != 0)
    return errno_error("cannot remove the old socket " + path, errno);
  return ok();
}

}  // namespace

Result<Address> unix_address(const std::string& path) {
  Address address;
  auto& unix = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.front() != '/')
    return Error{ErrorKind::InvalidArgument, "\"" + path + "\" is not an absolute path", {}};
  if (path.size() >= sizeof unix.sun_path)
    return Error{ErrorKind::InvalidArgument, "the socket path " + path + " is too long",
                 "the kernel allows " + std::to_string(sizeof unix.sun_path - 1) + " bytes"};
  unix.sun_family = AF_UNIX;
  std::memcpy(unix.sun_path, path.c_str(), path.size() + 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

Result<Address> tcp_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad_tcp_address(text);
  std::string host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(host, error);
  if (error || parsed.ec != std::errc() || parsed.ptr != end || port > 65'535)
    return bad_tcp_address(text);
  Address address;
  address.loopback = ip.is_loopback();
  if (ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    v4.sin_addr.s_addr = htonl(ip.to_v4().to_uint());
    address.size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    const auto bytes = ip.to_v6().to_bytes();
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    address.size = sizeof v6;
  }
  return address;
}

Result<Fd> listen_on_unix(const std::string& path, unsigned mode) {
  auto address = unix_address(path);
  if (!address) return std::move(address).error();
  if (auto removed = remove_old_socket(path); !removed) return std::move(removed).error();
  auto socket = open_socket(AF_UNIX);
  if (!socket) return socket;
  // Linux gives the new file the mode of the socket less the umask, so it is never wider than
  // asked for; chmod then adds what the umask took away.
  if (::fchmod(socket->get(), mode) != 0 ||
      ::bind(socket->get(), address->get(), address->size) != 0 ||
      ::chmod(path.c_str(), mode) != 0 || ::listen(socket->get(), kBacklog) != 0)
    return errno_error("cannot listen on " + path, errno);
  return socket;
}

Result<Fd> listen_on_tcp(const Address& address) {
  auto socket = open_socket(address.family());
  if (!socket) return socket;
  const int on = 1;
  if (::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket->get(), address.get(), address.size) != 0 ||
      ::listen(socket->get(), kBacklog) != 0)
    return errno_error("cannot listen on " + printable(address.storage), errno);
  return socket;
}

Status prepare_listener(const Fd& listener) {
  if (option(listener.get(), SO_TYPE) != SOCK_STREAM ||
      option(listener.get(), SO_ACCEPTCONN) != 1)
    return Error{ErrorKind::InvalidArgument,
                 "descriptor " + std::to_string(listener.get()) +
                     " is not a listening stream socket",
                 "check the socket unit"};
  const int flags = ::fcntl(listener.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(listener.get(), F_SETFD, FD_CLOEXEC) != 0)
    return errno_error("cannot prepare the listening socket", errno);
  return ok();
}

int family_of(int socket) { return option(socket, SO_DOMAIN).value_or(-1); }

Result<Peer> peer_of(int connected) {
  Peer peer;
  if (family_of(connected) == AF_UNIX) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
      return errno_error("cannot ask who connected", errno);
    peer.local = true;
    peer.uid = who.uid;
    peer.gid = who.gid;
    peer.pid = who.pid;
    peer.name = "pid " + std::to_string(who.pid) + " uid " + std::to_string(who.uid);
    return peer;
  }
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(connected, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return errno_error("cannot ask who connected", errno);
  peer.name = printable(storage);
  return peer;
}

int local_port(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

}  // namespace tariff::ipc
