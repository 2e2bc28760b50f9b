// SPDX-License-Identifier: Apache-2.0
#include "agent/only_one.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace tariff::agent {

Result<Fd> be_the_only_agent(const std::string& launcher_socket) {
  const std::string directory = launcher_socket.substr(0, launcher_socket.rfind('/') + 1);
  auto lock = open_at(AT_FDCWD, directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
  if (!lock) return std::move(lock).error().context("locking the launcher for this agent");
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return errno_error("cannot lock " + directory, errno);
  return Error{ErrorKind::FailedPrecondition,
               "another tariffd is running: it serves " + launcher_socket + " already",
               "systemctl stop tariffd, or use tariffctl to talk to it"};
}

}  // namespace tariff::agent
