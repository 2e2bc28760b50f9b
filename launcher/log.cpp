// SPDX-License-Identifier: Apache-2.0
#include "launcher/log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "launcher/journal.h"

namespace tariff::launcher {
namespace {

/// stderr is a stream to the journald that ran when we were started; one that was stopped and
/// started again reads datagrams only.
void send_to_journal(LogLevel level, std::string_view text) {
  static const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  constexpr sockaddr_un kJournal{AF_UNIX, "/run/systemd/journal/socket"};
  const std::string entry = journal_entry("SYSLOG_IDENTIFIER=tariff-launcher\n", text,
                                          static_cast<int>(level));
  (void)::sendto(socket, entry.data(), entry.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&kJournal), sizeof kJournal);
}

}  // namespace

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
  if (sent >= 0) return;
  if (errno == ENOTSOCK) (void)!::write(STDERR_FILENO, line, length);
  else if (errno == EPIPE)
    send_to_journal(level, {line + start, length - static_cast<std::size_t>(start) - 1});
}

}  // namespace tariff::launcher
