// SPDX-License-Identifier: Apache-2.0
#include "launcher/log.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace tariff::launcher {

void log_line(LogLevel level, const char* format, ...) {
  char line[1024];
  const int start = std::snprintf(line, sizeof line, "<%d>", static_cast<int>(level));
  va_list arguments;
  va_start(arguments, format);
  const int body = std::vsnprintf(line + start, sizeof line - static_cast<std::size_t>(start) - 1,
                                  format, arguments);
  va_end(arguments);
  if (body < 0) return;
  auto length = static_cast<std::size_t>(start) + static_cast<std::size_t>(body);
  if (length > sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  const ssize_t sent = ::send(STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno == ENOTSOCK && ::write(STDERR_FILENO, line, length) < 0) return;
}

}  // namespace tariff::launcher
