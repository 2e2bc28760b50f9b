// SPDX-License-Identifier: Apache-2.0
// Passed descriptors begin at 3, so each case runs in a child process that owns its numbers.
#include "systemd/listen_fds.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "support/catch.h"

using namespace tariff;
using systemd::SocketKind;

namespace {

/// Moves a fresh listening Unix socket (autobound, no file) to descriptor `number`.
void listen_at(int number, int type) {
  const int fd = ::socket(AF_UNIX, type, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t));
  ::listen(fd, 1);
  if (fd == number) return;
  ::dup2(fd, number);
  ::close(fd);
}

void pass(int count, const char* names) {
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", names, 1);
}

/// True if `body` returns true in a child process.
bool in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a daemon started from a shell has no passed sockets", "[systemd]") {
  ::unsetenv("LISTEN_PID");
  auto passed = systemd::take_listen_fds();
  REQUIRE(passed);
  CHECK(passed->empty());
  const auto socket = systemd::take_socket(*passed, "agent", SocketKind::Stream);
  REQUIRE(socket);
  CHECK_FALSE(socket->has_value());
}

TEST_CASE("passed sockets are taken by name, once, and not inherited", "[systemd]") {
  CHECK(in_child([] {
    listen_at(3, SOCK_SEQPACKET);
    listen_at(4, SOCK_STREAM);
    pass(2, "launcher:agent");
    auto passed = systemd::take_listen_fds();
    if (!passed || passed->size() != 2) return false;
    auto agent = systemd::take_socket(*passed, "agent", SocketKind::Stream);
    if (!agent || !*agent || (*agent)->get() != 4 || passed->size() != 1) return false;
    if ((::fcntl((*agent)->get(), F_GETFD) & FD_CLOEXEC) == 0) return false;
    return ::getenv("LISTEN_FDS") == nullptr && systemd::take_listen_fds()->empty();
  }));
}

TEST_CASE("a passed socket of another kind is an error", "[systemd]") {
  CHECK(in_child([] {
    listen_at(3, SOCK_STREAM);
    pass(1, "launcher");
    auto passed = systemd::take_listen_fds();
    const auto result = systemd::take_socket(*passed, "launcher", SocketKind::SeqPacket);
    return !result && result.error().kind == ErrorKind::FailedPrecondition;
  }));
}

TEST_CASE("two passed sockets of one name are an error", "[systemd]") {
  CHECK(in_child([] {
    listen_at(3, SOCK_STREAM);
    listen_at(4, SOCK_STREAM);
    pass(2, "agent:agent");
    auto passed = systemd::take_listen_fds();
    const auto result = systemd::take_socket(*passed, "agent", SocketKind::Stream);
    return !result && result.error().message ==
                          "the service manager passed 2 sockets named 'agent'";
  }));
}

TEST_CASE("a LISTEN_FDS that lies is an error", "[systemd]") {
  CHECK(in_child([] {
    ::close(3);
    pass(1, "agent");
    return !systemd::take_listen_fds();
  }));
  CHECK(in_child([] {
    pass(1, "agent");
    ::setenv("LISTEN_FDS", "many", 1);
    return !systemd::take_listen_fds();
  }));
}
