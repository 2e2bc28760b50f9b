// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "support/catch.h"

using namespace tariff;

namespace {
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
}  // namespace

TEST_CASE("an Fd closes its descriptor exactly once, also when it is moved over") {
  auto pipe = make_pipe();
  REQUIRE(pipe.has_value());
  const int first = pipe->read.get();
  const int second = pipe->write.get();
  pipe->read = std::move(pipe->write);
  CHECK_FALSE(is_open(first));
  CHECK(is_open(second));
  CHECK(pipe->read.get() == second);
  CHECK_FALSE(pipe->write.valid());
  pipe->read.reset();
  CHECK_FALSE(is_open(second));
}

TEST_CASE("released descriptors stay open and duplicates are close-on-exec") {
  auto pipe = make_pipe();
  auto copy = pipe->read.duplicate();
  REQUIRE(copy.has_value());
  CHECK((::fcntl(copy->get(), F_GETFD) & FD_CLOEXEC) != 0);
  const int raw = copy->release();
  CHECK(is_open(raw));
  Fd back = Fd::adopt(raw);
  back.reset();
  CHECK_FALSE(is_open(raw));
}

TEST_CASE("reading a file that is missing or too long names it") {
  auto missing = read_file_at(AT_FDCWD, "/nonexistent/file");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().kind == ErrorKind::NotFound);
  CHECK(missing.error().message == "cannot open /nonexistent/file: No such file or directory");
  auto longer = read_file_at(AT_FDCWD, "/proc/self/status", 10);
  REQUIRE_FALSE(longer.has_value());
  CHECK(longer.error().kind == ErrorKind::ResourceExhausted);
}
