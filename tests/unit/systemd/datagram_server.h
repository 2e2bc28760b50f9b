// SPDX-License-Identifier: Apache-2.0
// A datagram socket in a temporary directory that stands in for systemd or journald.
#pragma once

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"

namespace tariff {

class DatagramServer {
 public:
  DatagramServer() {
    char name[] = "/tmp/tariff-test-XXXXXX";
    TARIFF_CHECK(::mkdtemp(name) != nullptr, "no temporary directory");
    directory_ = name;
    socket_ = Fd::adopt(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    TARIFF_CHECK(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
                 "cannot bind");
  }
  DatagramServer(const DatagramServer&) = delete;
  DatagramServer& operator=(const DatagramServer&) = delete;
  ~DatagramServer() {
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }

  [[nodiscard]] std::string path() const { return directory_ + "/socket"; }

  /// The next datagram, "" if there is none. Never waits: what was sent is already there.
  [[nodiscard]] std::string receive() const {
    std::string out(256 * 1024, '\0');
    const auto got = ::recv(socket_.get(), out.data(), out.size(), 0);
    out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return out;
  }

 private:
  std::string directory_;
  Fd socket_;
};

}  // namespace tariff
