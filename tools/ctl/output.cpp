// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"

namespace tariff::ctl {
namespace {

const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidArgument: return "invalid_argument";
    case ErrorKind::NotFound: return "not_found";
    case ErrorKind::AlreadyExists: return "already_exists";
    case ErrorKind::PermissionDenied: return "permission_denied";
    case ErrorKind::ResourceExhausted: return "resource_exhausted";
    case ErrorKind::FailedPrecondition: return "failed_precondition";
    case ErrorKind::DeadlineExceeded: return "deadline_exceeded";
    case ErrorKind::Cancelled: return "cancelled";
    case ErrorKind::Unavailable: return "unavailable";
    case ErrorKind::Internal: return "internal";
    case ErrorKind::Unknown: break;
  }
  return "unknown";
}

void print_or_exit(std::string_view text) {
  if (auto printed = print_raw(text); !printed) {
    say(printed.error().text());
    std::_Exit(static_cast<int>(Exit::Failed));
  }
}

}  // namespace

void say(const std::string& text) { print_error_text("tariffctl: " + text + "\n"); }

void print_error_text(const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

Status print_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("cannot write to standard output", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ok();
}

void print(const Globals& globals, const Json& json, const std::string& text) {
  print_or_exit(globals.json ? json_text(json) : text);
}

int fail(const Globals& globals, const Error& error, int exit) {
  if (globals.json)
    print_or_exit(json_text(Json{{"error",
                                  {{"kind", kind_name(error.kind)},
                                   {"message", error.message},
                                   {"hint", error.hint},
                                   {"exit", exit}}}}));
  else
    say(error.text());
  return exit;
}

int fail(const Globals& globals, const Error& error) {
  return fail(globals, error, static_cast<int>(exit_of(error.kind)));
}

}  // namespace tariff::ctl
