// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace tariff {

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<Fd> Fd::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return errno_error("cannot duplicate a file descriptor", errno);
  return Fd::adopt(copy);
}

Result<Pipe> make_pipe(int extra_flags) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | extra_flags) < 0)
    return errno_error("cannot make a pipe", errno, "is the limit of open files reached?");
  return Pipe{Fd::adopt(ends[0]), Fd::adopt(ends[1])};
}

Result<Fd> open_at(int directory, const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::openat(directory, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error("cannot open " + path, errno);
  return Fd::adopt(fd);
}

Result<std::string> read_file_at(int directory, const std::string& path, std::size_t limit) {
  auto fd = open_at(directory, path, O_RDONLY);
  if (!fd) return std::move(fd).error();
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(fd->get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("cannot read " + path, errno);
    if (count == 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > limit)
      return Error{ErrorKind::ResourceExhausted,
                   path + " is longer than " + std::to_string(limit) + " bytes", {}};
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

Status write_file_at(int directory, const std::string& path, std::string_view text) {
  auto fd = open_at(directory, path, O_WRONLY);
  if (!fd) return std::move(fd).error();
  ssize_t count = -1;
  do {
    count = ::write(fd->get(), text.data(), text.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0)
    return errno_error("cannot write \"" + std::string(text) + "\" to " + path, errno);
  if (static_cast<std::size_t>(count) != text.size())
    return Error{ErrorKind::Unknown, "short write to " + path, {}};
  return ok();
}

}  // namespace tariff
