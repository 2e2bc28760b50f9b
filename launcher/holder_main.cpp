// SPDX-License-Identifier: Apache-2.0
// tariff-holder, the one process of tariff-jobs.service: it keeps the job tree alive. A unit whose
// own cgroup has controllers enabled cannot be restarted while jobs live, and a scope vanishes with
// its last process (docs/adr: measured on systemd 252 and 257); so neither the agent nor the
// launcher owns the tree, but a process that only sleeps.
//
// At start it makes holder/ below the cgroup of its unit, moves itself there, enables the
// controllers that were delegated, and reports READY=1. A tree left over from before (jobs and
// all) is not touched. SIGTERM ends it at once; the jobs stay (KillMode=process).
// Static: an upgrade of the system's libraries never needs it restarted.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "launcher/notify.h"

namespace {

constexpr const char* kCgroupRoot = "/sys/fs/cgroup";
constexpr const char* kOwnCgroup = "holder";
constexpr std::string_view kControllers[] = {"cpu", "cpuset", "memory", "pids"};

/// Priorities as sd-daemon(3) reads them from stderr: <3> error, <4> warning.
void complain(const char* what, const std::string& object) {
  ::fprintf(stderr, "<3>tariff-holder: cannot %s %s: %s\n", what, object.c_str(),
            ::strerror(errno));
}

/// Whole content, or an empty text: the files read here are never empty.
std::string read_text(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char buffer[4096];
  const ssize_t count = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  return count > 0 ? std::string(buffer, static_cast<size_t>(count)) : std::string();
}

bool write_text(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t count = ::write(fd, text.data(), text.size());
  const int error = errno;
  ::close(fd);
  errno = error;
  return count == static_cast<ssize_t>(text.size());
}

/// The unit's cgroup: ours without a trailing /holder (as left by an earlier run of this program).
std::string unit_cgroup() {
  const std::string text = read_text("/proc/self/cgroup");
  const auto line = text.find("0::");
  if (line == text.npos) return {};
  std::string path = text.substr(line + 3, text.find('\n', line) - line - 3);
  const std::string tail = std::string("/") + kOwnCgroup;
  if (path.ends_with(tail)) path.resize(path.size() - tail.size());
  return kCgroupRoot + path;
}

bool move_into_own_cgroup(const std::string& unit) {
  const std::string own = unit + "/" + kOwnCgroup;
  if (::mkdir(own.c_str(), 0755) < 0 && errno != EEXIST) return complain("make", own), false;
  if (!write_text(own + "/cgroup.procs", "0")) return complain("move itself to", own), false;
  return true;
}

/// Each on its own: a controller that was not delegated must not cost us the others.
void enable_controllers(const std::string& unit) {
  const std::string available = " " + read_text(unit + "/cgroup.controllers");
  for (const auto controller : kControllers) {
    const auto at = available.find(" " + std::string(controller));
    if (at == available.npos) continue;
    if (!write_text(unit + "/cgroup.subtree_control", "+" + std::string(controller)))
      complain("enable", std::string(controller) + " in " + unit);
  }
}

}  // namespace

int main() {
  const std::string unit = unit_cgroup();
  if (unit.empty()) {
    errno = ENOENT;
    return complain("find", "a cgroup v2 in /proc/self/cgroup"), 1;
  }
  if (!move_into_own_cgroup(unit)) return 1;
  enable_controllers(unit);
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) < 0) complain("lock", "its memory");
  if (!tariff::launcher::notify_systemd("READY=1\nSTATUS=Holding " + unit))
    complain("notify", "systemd");
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  sigprocmask(SIG_BLOCK, &wanted, nullptr);
  int signal = 0;
  while (::sigwait(&wanted, &signal) != 0) {}
  return 0;
}
