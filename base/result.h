// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error, for everything that the world can cause.
// Why our own: std::expected is C++23, and boost::system::result is not [[nodiscard]]. The names
// used here (has_value, operator*, error) are std::expected's, so that we can move to it.
//
//   Result<Fd> open_config(const std::string& path);
//   auto fd = open_config(path);
//   if (!fd) return std::move(fd).error().context("while reloading");
//
// Threading: plain values. Errors: never throws by itself.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace tariff {

/// What sort of failure it is; callers branch on this, people read the message.
/// The names follow the gRPC status codes that they are sent as (ttrpc, google.rpc.Code).
enum class ErrorKind {
  Unknown,
  InvalidArgument,
  NotFound,
  AlreadyExists,
  PermissionDenied,
  ResourceExhausted,
  FailedPrecondition,
  DeadlineExceeded,
  Cancelled,
  Unavailable,
  Internal,
};

/// One failure. `message` says what failed, on what and why; `hint`, if any, what to do about it.
struct [[nodiscard]] Error {
  ErrorKind kind = ErrorKind::Unknown;
  std::string message;
  std::string hint;

  /// The same failure, seen from one layer further out: "while X: message".
  Error context(const std::string& outer) && {
    message = outer + ": " + message;
    return std::move(*this);
  }

  /// "message" or "message (hint)".
  [[nodiscard]] std::string text() const {
    return hint.empty() ? message : message + " (" + hint + ")";
  }
};

[[nodiscard]] inline ErrorKind kind_of_errno(int error) {
  switch (error) {
    case ENOENT: case ESRCH: case ENODEV: return ErrorKind::NotFound;
    case EEXIST: return ErrorKind::AlreadyExists;
    case EACCES: case EPERM: return ErrorKind::PermissionDenied;
    case EINVAL: return ErrorKind::InvalidArgument;
    case ENOMEM: case ENOSPC: case EMFILE: case ENFILE: case EAGAIN:
      return ErrorKind::ResourceExhausted;
    case ECONNREFUSED: case ECONNRESET: case EPIPE: case ENOTCONN: return ErrorKind::Unavailable;
    case ETIMEDOUT: return ErrorKind::DeadlineExceeded;
    default: return ErrorKind::Unknown;
  }
}

/// An Error from a failed system call: errno_error("cannot open /x", errno).
[[nodiscard]] inline Error errno_error(const std::string& what, int error,
                                       std::string hint = {}) {
  return Error{kind_of_errno(error), what + ": " + std::strerror(error), std::move(hint)};
}

/// A value of type T or an Error. Requires: T is not Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}    // NOLINT implicit

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  /// Requires: has_value().
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() {
    TARIFF_CHECK(has_value(), "value() of a Result that holds an error");
    return std::get<0>(state_);
  }
  const T& value() const {
    TARIFF_CHECK(has_value(), "value() of a Result that holds an error");
    return std::get<0>(state_);
  }

  /// Requires: !has_value().
  Error& error() & {
    TARIFF_CHECK(!has_value(), "error() of a Result that holds a value");
    return std::get<1>(state_);
  }
  const Error& error() const& {
    TARIFF_CHECK(!has_value(), "error() of a Result that holds a value");
    return std::get<1>(state_);
  }
  Error&& error() && { return std::move(error()); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value: `return ok();`
struct Unit {};
using Status = Result<Unit>;
inline Status ok() { return Unit{}; }

}  // namespace tariff
