// SPDX-License-Identifier: Apache-2.0
#include "systemd/listen_fds.h"

#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>

namespace tariff::systemd {
namespace {

const char* name_of(SocketKind kind) {
  return kind == SocketKind::Stream ? "listening Unix stream socket (ListenStream=)"
                                    : "listening Unix packet socket (ListenSequentialPacket=)";
}

}  // namespace

Result<std::vector<ListenFd>> take_listen_fds() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(/* unset_environment= */ 1, &names);
  if (count < 0)
    return errno_error("cannot take the sockets passed by the service manager", -count,
                       "LISTEN_FDS and LISTEN_FDNAMES do not fit this process's descriptors");
  std::vector<ListenFd> out;
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    out.push_back({names != nullptr && names[i] != nullptr ? names[i] : "",
                   Fd::adopt(SD_LISTEN_FDS_START + i)});
  }
  for (char** name = names; name != nullptr && *name != nullptr; ++name) std::free(*name);
  std::free(names);
  return out;
}

Result<std::optional<Fd>> take_socket(std::vector<ListenFd>& passed, const std::string& name,
                                      SocketKind kind) {
  const auto has_name = [&name](const ListenFd& fd) { return fd.name == name; };
  const auto matching = std::count_if(passed.begin(), passed.end(), has_name);
  if (matching == 0) return std::optional<Fd>{};
  if (matching > 1)
    return Error{ErrorKind::FailedPrecondition,
                 "the service manager passed " + std::to_string(matching) + " sockets named '" +
                     name + "'",
                 "give each .socket unit its own FileDescriptorName="};
  const auto found = std::find_if(passed.begin(), passed.end(), has_name);
  const int type = kind == SocketKind::Stream ? SOCK_STREAM : SOCK_SEQPACKET;
  const int fits = ::sd_is_socket(found->fd.get(), AF_UNIX, type, /* listening= */ 1);
  if (fits < 0) return errno_error("cannot examine the passed socket '" + name + "'", -fits);
  if (fits == 0)
    return Error{ErrorKind::FailedPrecondition,
                 "the passed socket '" + name + "' is not a " + name_of(kind),
                 "compare the .socket unit with the one that the package ships"};
  std::optional<Fd> out(std::move(found->fd));
  passed.erase(found);
  return out;
}

}  // namespace tariff::systemd
