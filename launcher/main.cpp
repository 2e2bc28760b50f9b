// SPDX-License-Identifier: Apache-2.0
// tariff-launcher: parent of all jobs, owner of their stdio, authority on what runs. It is small
// so that it can outlive the agent: an upgrade or a crash of tariffd costs no job.
//
//   tariff-launcher [--socket=PATH] [--tree=PATH] [--exec=PATH]      (systemd starts it without)
//   tariff-launcher --reload [--socket=PATH]  the running one executes the installed program in its
//                                             place, and keeps every job (state.proto)
//   tariff-launcher --kill-all [--tree=PATH]  ends every job of the tree
//   --state=FD, --check-state=FD              between the two images of an upgrade
// --enter-by-procs: what the self-test chooses on kernels that kill a child cloned into a cgroup.
//
// SIGTERM: exits at once, the jobs run on without it (KillMode=process) until the next launcher
// ends them as LAUNCHER_LOST: with it their exit status and results went.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/crash_point.h"
#include "launcher/log.h"
#include "launcher/lost_jobs.h"
#include "launcher/notify.h"
#include "launcher/supervisor.h"

namespace {

using namespace tariff;
using namespace tariff::launcher;

constexpr Nanos kKillAllPatience = 5'000'000'000;
constexpr int kListenFd = 3;  // sd_listen_fds(3)
constexpr const char* kSocket = "/run/tariff/launcher.sock";  // tariff-launcher.socket

struct Options {
  std::string socket;
  std::string tree = "/sys/fs/cgroup/tariff.slice/tariff-jobs.service";
  std::string exec;
  std::string state;
  std::string check_state;
  bool reload = false;
  bool kill_all = false;
  bool enter_by_procs = false;
};

bool take_option(std::string_view word, std::string_view name, std::string& value) {
  if (!word.starts_with(name)) return false;
  value = word.substr(name.size());
  return !value.empty();
}

bool parse(int argc, char** argv, Options& options) {
  for (int index = 1; index < argc; ++index) {
    const std::string_view word = argv[index];
    if (word == "--kill-all") options.kill_all = true;
    else if (word == "--reload") options.reload = true;
    else if (word == "--enter-by-procs") options.enter_by_procs = true;
    else if (!take_option(word, "--socket=", options.socket) &&
             !take_option(word, "--tree=", options.tree) &&
             !take_option(word, "--exec=", options.exec) &&
             !take_option(word, "--state=", options.state) &&
             !take_option(word, "--check-state=", options.check_state))
      return log_line(LogLevel::Error, "unknown option %s", argv[index]), false;
  }
  return true;
}

/// As it was started. The path is where the next version will be, too; /proc/self/exe would follow
/// a replaced file to its grave.
Program program_of(int argc, char** argv) {
  Program program{argv[0], {}};
  char path[4096];
  if (program.path.find('/') == std::string::npos) {
    const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    program.path.assign(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  }
  for (int index = 1; index < argc; ++index)
    if (!std::string_view(argv[index]).starts_with("--state="))
      program.arguments.emplace_back(argv[index]);
  return program;
}

/// The trampoline beside it.
std::string default_exec(const Program& program) {
  return program.path.substr(0, program.path.rfind('/') + 1) + "tariff-exec";
}

/// Where a job's descriptors are put: none of our own may be there (clone.h).
void occupy_reserved_numbers() {
  for (;;) {
    Fd fd = Fd::adopt(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!fd || fd.get() >= kReservedFds) return;
    (void)fd.release();  // stays open for ever
  }
}

Result<Fd> listen_at(const std::string& path) {
  Fd listener = Fd::adopt(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{ErrorKind::InvalidArgument, path + " is too long for a socket", {}};
  ::memcpy(address.sun_path, path.data(), path.size());
  ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                            sizeof address) == 0;
  ::umask(before);
  if (!bound || ::listen(listener.get(), SOMAXCONN) < 0)
    return errno_error("cannot listen at " + path, errno);
  return listener;
}

/// The listener that systemd made, moved away from the low numbers, or one at --socket.
Result<Fd> listener_of(const Options& options) {
  const char* pid = ::getenv("LISTEN_PID");
  const char* count = ::getenv("LISTEN_FDS");
  if (options.socket.empty() && pid != nullptr && count != nullptr &&
      std::atoi(pid) == ::getpid() && std::atoi(count) == 1) {
    const Fd passed = Fd::adopt(kListenFd);
    Fd moved = Fd::adopt(::fcntl(kListenFd, F_DUPFD_CLOEXEC, kReservedFds));
    if (!moved) return errno_error("cannot move the socket from systemd", errno);
    (void)::fcntl(moved.get(), F_SETFL, O_NONBLOCK);
    return moved;
  }
  if (options.socket.empty())
    return Error{ErrorKind::InvalidArgument, "no socket from systemd", "give --socket=PATH"};
  occupy_reserved_numbers();
  return listen_at(options.socket);
}

/// Signals as events of the loop.
Status watch_signals(Loop& loop, Supervisor& supervisor, LeafPool& leaves) {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&wanted, signal);
  const int fd = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return errno_error("cannot make a signalfd", errno);
  return loop.watch(fd, EPOLLIN, [fd, &supervisor, &leaves](std::uint32_t) {
    signalfd_siginfo info{};
    while (::read(fd, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo == SIGCHLD) continue;
      (void)notify_systemd("STOPPING=1");
      supervisor.clean_up();
      leaves.drain();
      ::_exit(0);
    }
    supervisor.reap();
  });
}

void prepare_process() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;  // about nine descriptors per job
    (void)::setrlimit(RLIMIT_NOFILE, &files);
    // The table grows now, while there is one thread: later each growth would wait for RCU, hence
    // for a kernel thread that hogs starve (measured: seconds).
    constexpr rlim_t kTable = 65'536;
    const auto last = static_cast<int>(std::min(files.rlim_cur, kTable)) - 1;
    const Fd grown = Fd::adopt(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, last));
  }
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
    log_line(LogLevel::Warning, "cannot lock memory: %s", ::strerror(errno));
}

std::string leaf_prefix() {
  char text[32];
  ::snprintf(text, sizeof text, "j-%llx-",
             static_cast<unsigned long long>(monotonic_now() / 1'000'000));
  return text;
}

Status serve(const Options& options, const Program& program) {
  Fd listener;
  if (options.state.empty()) {
    auto made = listener_of(options);
    if (!made) return std::move(made).error();
    listener = std::move(*made);
  } else {
    crash_point("launcher.after_exec");
  }
  occupy_reserved_numbers();  // 3 is free again
  prepare_process();
  auto loop = Loop::make();
  if (!loop) return std::move(loop).error();
  auto cloner = Cloner::open(options.exec.empty() ? default_exec(program) : options.exec);
  if (!cloner) return std::move(cloner).error();
  if (options.enter_by_procs) (*cloner)->enter_by_procs();
  auto leaves = LeafPool::start(leaf_prefix(), **cloner);
  if (!leaves) return std::move(leaves).error();
  auto journal = Journal::start();
  if (!journal) return std::move(journal).error();
  static Supervisor supervisor(**loop, **cloner, **leaves, options.tree, program);
  auto watched = watch_signals(**loop, supervisor, **leaves);
  if (!watched) return watched;
  auto started = options.state.empty()
                     ? supervisor.start(**journal, std::move(listener))
                     : supervisor.resume(**journal, take_over(static_cast<std::uint32_t>(
                                             std::atoi(options.state.c_str()))));
  if (!started) return started;
  (void)notify_systemd("READY=1");
  supervisor.run();
}

}  // namespace

int main(int argc, char** argv) {
  crash_points_from_environment();
  Options options;
  if (!parse(argc, argv, options)) return 2;
  if (options.kill_all) {
    const sched_param above_jobs{kBoostPriority + 1};
    (void)::sched_setscheduler(0, SCHED_FIFO, &above_jobs);  // else starved by what it is to end
    if (kill_whole_tree(options.tree, kKillAllPatience)) return 0;
    log_line(LogLevel::Error, "some jobs below %s did not end", options.tree.c_str());
    return 1;
  }
  if (!options.check_state.empty())
    return check_state_command(std::atoi(options.check_state.c_str()));
  if (options.reload) return reload_command(options.socket.empty() ? kSocket : options.socket);
  auto served = serve(options, program_of(argc, argv));
  log_line(LogLevel::Error, "%s", served.error().text().c_str());
  return 1;
}
