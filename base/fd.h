// SPDX-License-Identifier: Apache-2.0
// Fd: the only owner of a file descriptor. Raw ints are borrowed, never kept.
// Named ways in and out (adopt, release) so that no reader has to guess who closes.
// Threading: as an int. Close errors are ignored on purpose: Linux frees the number in any case.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tariff {

class [[nodiscard]] Fd {
 public:
  Fd() = default;
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  /// Takes over a descriptor that nobody else will close. A negative number makes an empty Fd.
  static Fd adopt(int fd) { return Fd(fd); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }

  /// Gives the descriptor away; the caller closes it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();

  /// A second descriptor of the same open file description (F_DUPFD_CLOEXEC).
  [[nodiscard]] Result<Fd> duplicate() const;

 private:
  explicit Fd(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// A pipe with O_CLOEXEC on both ends; extra_flags e.g. O_NONBLOCK.
struct Pipe {
  Fd read;
  Fd write;
};
Result<Pipe> make_pipe(int extra_flags = 0);

/// openat(2) with O_CLOEXEC; the error names the path.
Result<Fd> open_at(int directory, const std::string& path, int flags, unsigned mode = 0);

/// Whole content of a small file relative to a directory (at most `limit` bytes; longer is an
/// error), and one write(2) of a whole text, as kernel control files want it.
Result<std::string> read_file_at(int directory, const std::string& path,
                                 std::size_t limit = 1 << 20);
Status write_file_at(int directory, const std::string& path, std::string_view text);

}  // namespace tariff
