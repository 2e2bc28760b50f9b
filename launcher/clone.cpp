// SPDX-License-Identifier: Apache-2.0
#include "launcher/clone.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/packet.h"
#include "launcher/exec_job.h"
#include "launcher/log.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // since 6.3; glibc 2.36 does not know it
#endif

namespace tariff::launcher {
namespace {

constexpr int kSelfTestExit = 7;
constexpr int kExitCannotStart = 127;
constexpr pid_t kSlotTaken = -1;
constexpr std::size_t kChildStack = 64 << 10;

/// What the child needs, in memory it shares with us until its exec.
struct ChildPlan {
  int band = -1;        // where what becomes 0 to 4 is; -1: the self-test
  int procs = -1;       // cgroup.procs of the leaf, if the child moves itself
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  int error = 0;        // errno of a failed step
};

[[noreturn]] void child_main(ChildPlan* plan) {
  bool done = plan->procs < 0 || ::write(plan->procs, "0", 1) == 1;
  if (plan->band < 0) ::_exit(done ? kSelfTestExit : kExitCannotStart);
  // From here on a table of its own; before, a dup2 would be the launcher's, too.
  done = done && ::syscall(SYS_close_range, kReservedFds, ~0U, CLOSE_RANGE_UNSHARE) == 0;
  for (int target = 0; done && target <= kStatusFd; ++target)
    done = ::dup2(plan->band + target, target) == target;
  if (done)
    ::syscall(SYS_execveat, kTrampolineFd, "", plan->arguments, plan->environment, AT_EMPTY_PATH);
  plan->error = errno;
  ::_exit(kExitCannotStart);
}

/// This thread's reserved numbers; they hold /dev/null while no clone is under way.
class Band {
 public:
  Band() : first_(first_of_thread()) {}
  ~Band() {
    for (int index = 0; index < kBandFds; ++index) (void)::dup3(0, first_ + index, O_CLOEXEC);
  }
  Band(const Band&) = delete;
  Band& operator=(const Band&) = delete;

  [[nodiscard]] int first() const { return first_; }
  /// Our own low numbers are /dev/null or stderr: 0 is always open.
  bool put(int index, int fd) const { return ::dup3(fd, first_ + index, O_CLOEXEC) >= 0; }

 private:
  static int first_of_thread() {
    static std::atomic<int> next{0};
    thread_local const int band = next++;
    TARIFF_CHECK(band < kBands, "more launch threads than bands of descriptors");
    return kTrampolineFd + 1 + band * kBandFds;
  }
  const int first_;
};

/// clone3 with a stack of its own: the child cannot return into our frames.
long clone3_on_stack(clone_args* arguments, ChildPlan* plan) {
#if defined(__x86_64__)
  long result = SYS_clone3;
  register ChildPlan* argument asm("r12") = plan;
  register void (*function)(ChildPlan*) asm("r13") = child_main;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r12, %%rdi\n\t"
      "call *%%r13\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(arguments), "S"(sizeof *arguments), "r"(argument), "r"(function)
      : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long result asm("x0") = reinterpret_cast<long>(arguments);
  register long size asm("x1") = sizeof *arguments;
  register long number asm("x8") = SYS_clone3;
  register ChildPlan* argument asm("x9") = plan;
  register void (*function)(ChildPlan*) asm("x10") = child_main;
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, #0\n\t"
      "mov x0, x9\n\t"
      "blr x10\n\t"
      "brk #1\n"
      "1:"
      : "+r"(result)
      : "r"(size), "r"(number), "r"(argument), "r"(function)
      : "memory");
  return result;
#else
#error "clone3 on an own stack is written for x86_64 and aarch64"
#endif
}

/// One stack per launch thread, kept for ever.
char* own_stack() {
  thread_local char* const stack = static_cast<char*>(
      ::mmap(nullptr, kChildStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return stack;
}

/// The pid, or -errno. The kernel writes it to `slot` before the child can run.
long clone_child(int leaf, bool into_cgroup, ChildPlan& plan, std::atomic<pid_t>& slot,
                 Fd& pidfd) {
  int pidfd_number = -1;
  clone_args arguments{};
  arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
                    CLONE_PARENT_SETTID | (into_cgroup ? CLONE_INTO_CGROUP : 0ULL);
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd_number);
  arguments.parent_tid = reinterpret_cast<std::uint64_t>(&slot);
  arguments.exit_signal = SIGCHLD;
  arguments.stack = reinterpret_cast<std::uint64_t>(own_stack());
  arguments.stack_size = kChildStack;
  arguments.cgroup = into_cgroup ? static_cast<std::uint64_t>(leaf) : 0;
  const long pid = clone3_on_stack(&arguments, &plan);
  if (pid > 0) pidfd = Fd::adopt(pidfd_number);
  return pid;
}

siginfo_t wait_for(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) < 0 && errno == EINTR) {}
  return info;
}

}  // namespace

Result<Cloner*> Cloner::open(const std::string& trampoline) {
  auto file = open_at(AT_FDCWD, trampoline, O_RDONLY);
  if (!file) return std::move(file).error().context("loading the trampoline");
  struct stat size {};
  (void)::fstat(file->get(), &size);
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Fd copy = Fd::adopt(::memfd_create("tariff-exec", flags | MFD_EXEC));
  if (!copy) copy = Fd::adopt(::memfd_create("tariff-exec", flags));  // before 6.3
  if (!copy) return errno_error("cannot make a memfd for the trampoline", errno);
  for (off_t left = size.st_size; left > 0;) {
    const ssize_t count =
        ::sendfile(copy.get(), file->get(), nullptr, static_cast<std::size_t>(left));
    if (count <= 0) return errno_error("cannot copy " + trampoline, errno);
    left -= count;
  }
  if (::fcntl(copy.get(), F_ADD_SEALS,
              F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
    return errno_error("cannot seal the copy of the trampoline", errno);
  // A descriptor that is open for writing cannot be executed (ETXTBSY).
  auto reopened = reopen_read_only(copy);
  if (!reopened) return std::move(reopened).error();
  if (::dup3(reopened->get(), kTrampolineFd, O_CLOEXEC) < 0)
    return errno_error("cannot place the trampoline", errno);
  return new Cloner;
}

int Cloner::take_slot() {
  for (;;) {
    for (int index = 0; index < kSlots; ++index) {
      pid_t expected = 0;
      if (slots_[index].compare_exchange_strong(expected, kSlotTaken)) return index;
    }
    // All are on their way to the main thread, which may need this very CPU to get on.
    const timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

bool Cloner::in_flight(pid_t pid) const {
  for (const auto& slot : slots_)
    if (slot.load() == pid) return true;
  return false;
}

void Cloner::settled(pid_t pid) {
  for (auto& slot : slots_) {
    pid_t expected = pid;
    if (slot.compare_exchange_strong(expected, 0)) return;
  }
}

Status Cloner::self_test(const Leaf& fresh) {
  ChildPlan plan;
  Fd pidfd;
  const int slot = take_slot();
  const long pid = clone_child(fresh.directory.get(), true, plan, slots_[slot], pidfd);
  if (pid < 0) {
    slots_[slot] = 0;
    return errno_error("cannot clone into " + fresh.path, static_cast<int>(-pid));
  }
  const siginfo_t info = wait_for(static_cast<pid_t>(pid));
  settled(static_cast<pid_t>(pid));
  if (info.si_code == CLD_EXITED && info.si_status == kSelfTestExit) return ok();
  if (info.si_code != CLD_KILLED || info.si_status != SIGKILL)
    return Error{ErrorKind::Internal, "the self-test of clone3 into " + fresh.path +
                 " ended with status " + std::to_string(info.si_status), {}};
  enter_by_procs_ = true;
  log_line(LogLevel::Warning, "clone3 into a cgroup kills the child on this kernel (a cgroup "
           "above was once killed); children enter by cgroup.procs instead");
  return ok();
}

Result<Child> Cloner::clone_into(const Leaf& leaf, const JobStdio& stdio, Tracked tracked) {
  static char name[] = "tariff-exec";
  static char* const arguments[] = {name, nullptr};
  static char* const environment[] = {nullptr};
  ChildPlan plan;
  const Band band;  // 0 and 1 stay /dev/null
  plan.band = band.first();
  if (!band.put(2, stdio.job_stderr.get()) || !band.put(kReadyFd, stdio.job_ready.get()) ||
      !band.put(kStatusFd, stdio.job_status.get()))
    return errno_error("cannot place stdio of " + leaf.path, errno);
  plan.arguments = arguments;
  plan.environment = environment;
  const bool by_procs = enter_by_procs_;
  Fd procs;
  if (by_procs) {
    auto opened = open_at(leaf.directory.get(), "cgroup.procs", O_WRONLY);
    if (!opened) return std::move(opened).error().context("entering " + leaf.path);
    procs = std::move(*opened);
    plan.procs = procs.get();
  }
  std::atomic<pid_t> nobodys{0};
  std::atomic<pid_t>& slot = tracked == Tracked::Yes ? slots_[take_slot()] : nobodys;
  Child child;
  const long pid = clone_child(leaf.directory.get(), !by_procs, plan, slot, child.pidfd);
  if (pid < 0) {
    slot = 0;
    return errno_error("cannot clone into " + leaf.path, static_cast<int>(-pid),
                       pid == -EAGAIN ? "is pids.max of its class or of a cgroup above reached?"
                                      : "");
  }
  child.pid = static_cast<pid_t>(pid);
  if (plan.error == 0) return child;
  (void)wait_for(child.pid);
  settled(child.pid);
  return errno_error("cannot execute the trampoline", plan.error);
}

void Cloner::track(pid_t pid) { slots_[take_slot()] = pid; }

Status Cloner::hand_over(const JobStdio& stdio, const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment) {
  const std::string packet = exec_job_packet(arguments, environment);
  const int attached[] = {stdio.job_stdin.get(), stdio.result.get()};
  if (send_packet(stdio.status.get(), packet.data(), packet.size(), attached) >= 0) return ok();
  auto failed = errno_error("cannot give the trampoline its job", errno);
  if (errno == EPIPE || errno == ECONNRESET) failed.kind = ErrorKind::Unavailable;
  return failed;
}

}  // namespace tariff::launcher
