// SPDX-License-Identifier: Apache-2.0
#include "launcher/upgrade.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/crash_point.h"
#include "launcher/log.h"
#include "launcher/loop.h"

namespace tariff::launcher {
namespace {

constexpr Nanos kCheckPatience = 10'000'000'000;  // a cold program on a busy disk
constexpr int kStateFd = 3;                       // of the child
constexpr std::string_view kAccepted = "accepted\n";
constexpr std::size_t kLongestVerdict = 4'096;
constexpr int kReloadPatienceS = 60;  // above the sum of the launcher's own bounds

/// Until its end or `deadline`; then the verdict is nobody's.
std::string read_verdict(const Fd& pipe, Nanos deadline) {
  std::string text;
  char buffer[512];
  for (;;) {
    pollfd wanted{pipe.get(), POLLIN, 0};
    const Nanos left = deadline - monotonic_now();
    if (left <= 0 || ::poll(&wanted, 1, static_cast<int>(left / 1'000'000) + 1) == 0)
      return "it has not answered within 10 s";
    const ssize_t count = ::read(pipe.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text.empty() ? "it ended without an answer" : text;
    if (text.size() < kLongestVerdict) text.append(buffer, static_cast<std::size_t>(count));
  }
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

Status check_image(const std::string& path, int file) {
  auto verdict = make_pipe();
  if (!verdict) return std::move(verdict).error();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, verdict->write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, verdict->write.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, file, kStateFd);
  std::vector<std::string> words = {path, "--check-state=" + std::to_string(kStateFd)};
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, path.c_str(), &actions, nullptr, pointers(words).data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return errno_error("cannot run " + path, error);
  const Fd process = Fd::adopt(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  verdict->write.reset();
  // The main thread reaps it as it does any orphan, so it is judged by its word, not by its status.
  const std::string text = read_verdict(verdict->read, monotonic_now() + kCheckPatience);
  if (text == kAccepted) return ok();
  if (process) (void)::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  return Error{ErrorKind::FailedPrecondition, path + " cannot go on from here: " + text, {}};
}

int check_state_command(int file) {
  const auto read = read_state(file, [](const state::Entry&) {});
  const std::string verdict = read ? std::string(kAccepted) : read.error().text();
  const ssize_t written = ::write(STDOUT_FILENO, verdict.data(), verdict.size());
  return read && written > 0 ? 0 : 1;
}

Error exec_image(const Program& program, const StateWriter& state) {
  std::vector<std::string> words = {program.path};
  words.insert(words.end(), program.arguments.begin(), program.arguments.end());
  words.push_back("--state=" + std::to_string(state.file().get()));
  state.set_inherited(true);
  crash_point("launcher.before_exec");
  ::execv(program.path.c_str(), pointers(words).data());
  const int error = errno;
  state.set_inherited(false);
  return errno_error("cannot execute " + program.path, error);
}

namespace {

/// One request, one reply: the connection goes from the old image to the new one.
Result<UpgradeReply> ask_for_upgrade(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path)
    return Error{ErrorKind::InvalidArgument, socket + " is too long for a socket", {}};
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const Fd fd = Fd::adopt(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const timeval patience{kReloadPatienceS, 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return errno_error("cannot connect to " + socket, errno);
  Request request;
  request.set_sequence(1);
  request.mutable_upgrade();
  const std::string asked = request.SerializeAsString();
  if (::send(fd.get(), asked.data(), asked.size(), MSG_NOSIGNAL) < 0)
    return errno_error("cannot ask the launcher", errno);
  char buffer[8'192];
  const ssize_t size = ::recv(fd.get(), buffer, sizeof buffer, 0);
  if (size < 0) return errno_error("no answer of the launcher", errno);
  Response response;
  if (size == 0 || !response.ParseFromArray(buffer, static_cast<int>(size)))
    return Error{ErrorKind::Unavailable,
                 "the launcher closed the connection: it died, or it is a version that cannot "
                 "upgrade itself", "journalctl -u tariff-launcher"};
  if (response.has_failure())
    return Error{ErrorKind::FailedPrecondition, response.failure().message(), {}};
  return response.upgrade();
}

}  // namespace

int reload_command(const std::string& socket) {
  const auto reply = ask_for_upgrade(socket);
  if (!reply)
    return log_line(LogLevel::Error, "not upgraded: %s", reply.error().text().c_str()), 1;
  log_line(LogLevel::Notice, "upgraded in place, version %s serves", reply->version().c_str());
  return 0;
}

}  // namespace tariff::launcher
