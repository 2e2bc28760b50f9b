// SPDX-License-Identifier: Apache-2.0
#include "base/packet.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

#include "support/catch.h"

using namespace tariff;

namespace {

struct Ends {
  Ends() {
    int both[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both) == 0);
    ours = Fd::adopt(both[0]);
    theirs = Fd::adopt(both[1]);
  }
  Fd ours, theirs;
};

}  // namespace

TEST_CASE("a packet arrives whole, with its descriptor") {
  Ends ends;
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(send_packet(ends.ours.get(), "hello", 5, pipe->read.get()) == 5);
  REQUIRE(send_packet(ends.ours.get(), "two", 3) == 3);
  std::array<char, 16> buffer{};
  auto first = receive_packet(ends.theirs.get(), buffer.data(), buffer.size());
  REQUIRE(first.size == 5);
  CHECK(std::string(buffer.data(), 5) == "hello");
  REQUIRE(first.attached);
  CHECK(::fcntl(first.attached.get(), F_GETFD) == FD_CLOEXEC);
  pipe->read.reset();
  REQUIRE(::write(pipe->write.get(), "x", 1) == 1);  // the copy keeps the pipe readable
  const auto second = receive_packet(ends.theirs.get(), buffer.data(), buffer.size());
  CHECK(second.size == 3);
  CHECK(!second.attached);
  CHECK(!second.truncated);
}

TEST_CASE("nothing there, a closed end and a packet that is too long are told apart") {
  Ends ends;
  std::array<char, 4> buffer{};
  const auto none = receive_packet(ends.theirs.get(), buffer.data(), buffer.size());
  CHECK(none.size == -1);
  CHECK(errno == EAGAIN);
  REQUIRE(send_packet(ends.ours.get(), "too long", 8) == 8);
  CHECK(receive_packet(ends.theirs.get(), buffer.data(), buffer.size()).truncated);
  ends.ours.reset();
  CHECK(receive_packet(ends.theirs.get(), buffer.data(), buffer.size()).size == 0);
  CHECK(send_packet(ends.theirs.get(), "x", 1) == -1);
  CHECK(errno == EPIPE);
}

TEST_CASE("of several descriptors in a packet one is kept and none leaks") {
  Ends ends;
  const int before = Fd::adopt(::dup(0)).get();
  {
    iovec part{const_cast<char*>("x"), 1};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(3 * sizeof(int));
    const int three[] = {0, 0, 0};
    memcpy(CMSG_DATA(header), three, sizeof three);
    REQUIRE(::sendmsg(ends.ours.get(), &message, 0) == 1);
    char byte = 0;
    CHECK(receive_packet(ends.theirs.get(), &byte, 1).attached);
  }
  CHECK(Fd::adopt(::dup(0)).get() == before);
}
