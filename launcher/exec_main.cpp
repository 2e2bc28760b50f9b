// SPDX-License-Identifier: Apache-2.0
// tariff-exec, the trampoline: everything between the launcher's clone3 and a handler's first
// instruction. The launcher executes it out of a sealed memfd in a leaf, with stdio in place and at
// the launcher's own priority. First it does all that needs no job, most of which is namespaces and
// mounts; then it waits for its one job (exec_job.h; most wait long before there is one, see
// leaf_pool.h), takes every right away and executes the handler. If the launcher goes without a
// word, so does it. What decides the order:
//   - Namespaces, mounts and the keyring come first, at the launcher's priority: they take locks of
//     the whole kernel (namespace_sem, key_construction_mutex), and a starved process that holds
//     one would stop every other launch.
//   - The launcher lowers it to its class while it waits (ready_child.h), so what comes after the
//     job was received runs at the class's priority, and takes no such lock.
//   - The job's namespaces are handed to the launcher, which drops the last references: else a job
//     that is preempted while it exits would hold namespace_sem, and the kernel worker that frees
//     the IPC namespace would run on the job's CPU, starve there behind lower classes, and hold up
//     every later mount (measured: launches that wait for 1 to 2 s).
// Static, so that it needs no file of the system; the whole program is one thread.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/packet.h"
#include "launcher/exec_job.h"
#include "launcher/exec_options.h"
#include "launcher/reserved_fds.h"

namespace {

using namespace tariff::launcher;

constexpr int kExitCannotStart = 127;  // what shells use for "not found"

// Of the job's packet. Pages that are not written to take no memory.
char packet[kLargestExecJob];
char* strings[kMostExecStrings];

void send_status(ExecStage stage, int error, int attached_fd = -1) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const ExecStatus status{stage, error, now.tv_sec * 1'000'000'000LL + now.tv_nsec};
  // A launcher that is gone loses the message; the next one ends this job anyway.
  (void)tariff::send_packet(kStatusFd, &status, sizeof status, attached_fd);
}

[[noreturn]] void fail(ExecStage stage) {
  send_status(stage, errno);
  ::_exit(kExitCannotStart);
}

void require(bool done, ExecStage stage) {
  if (!done) fail(stage);
}

bool absent_is_fine() { return errno == ENOENT || errno == EINVAL; }

void hand_over_namespace(const char* path) {
  const int own = ::open(path, O_RDONLY | O_CLOEXEC);
  require(own >= 0, ExecStage::Namespaces);
  send_status(ExecStage::Namespaces, 0, own);
  ::close(own);
}

/// Nothing that a uid leaves behind may outlive its leaf, so whatever it can write is private:
/// /tmp, /var/tmp, /dev/shm and IPC. The rest of the tree is read-only.
void make_private_tree() {
  require(::unshare(CLONE_NEWNS | CLONE_NEWIPC) == 0, ExecStage::Namespaces);
  hand_over_namespace("/proc/self/ns/mnt");
  hand_over_namespace("/proc/self/ns/ipc");
  mount_attr tree{};
  tree.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  tree.propagation = MS_PRIVATE;
  require(::syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &tree, sizeof tree) == 0,
          ExecStage::Mounts);
  const unsigned long flags = MS_NOSUID | MS_NODEV;
  require(::mount("tmpfs", "/tmp", "tmpfs", flags, "mode=1777") == 0, ExecStage::Mounts);
  // One tmpfs for all three: each costs a superblock, and locks that others wait for.
  for (const char* place : {"/var/tmp", "/dev/shm"})
    require(::mount("/tmp", place, nullptr, MS_BIND, nullptr) == 0 || absent_is_fine(),
            ExecStage::Mounts);
  // Over the host's message queues, the job's own. Not an unmount: that would wait for an expedited
  // RCU grace period, hence for a kworker that hogs starve (measured: 1 s per launch).
  require(::mount("mqueue", "/dev/mqueue", "mqueue", flags, nullptr) == 0 || absent_is_fine(),
          ExecStage::Mounts);
}

void limit(__rlimit_resource resource, rlim_t value) {
  const rlimit both{value, value};
  require(::setrlimit(resource, &both) == 0, ExecStage::Limits);
}

void set_common_limits() {
  limit(RLIMIT_CORE, 0);     // a core file could not be written anywhere
  limit(RLIMIT_RTPRIO, 0);   // no way up in SCHED_FIFO
  limit(RLIMIT_NICE, 0);     // nor in SCHED_OTHER
  ::umask(022);
}

/// Signals as a program expects them at its start: systemd starts services with SIGPIPE ignored.
void reset_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  require(::sigprocmask(SIG_SETMASK, &none, nullptr) == 0, ExecStage::Limits);
}

void drop_capabilities_for_ever() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    require(::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, ExecStage::Identity);
  require(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0, ExecStage::Identity);
  // Locked: uid 0 means nothing, setuid changes no capabilities back, nothing becomes ambient.
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                  SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  require(::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) == 0, ExecStage::Identity);
}

void change_identity(const ExecOptions& options) {
  require(::setresgid(options.gid, options.gid, options.gid) == 0, ExecStage::Identity);
  require(::setresuid(options.uid, options.uid, options.uid) == 0, ExecStage::Identity);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  require(::syscall(SYS_capset, &header, none) == 0, ExecStage::Identity);
}

/// Instead of the launcher's; a kernel may be built without keys. It is root's; the job has it.
void join_own_keyring() {
  require(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0 || errno == ENOSYS,
          ExecStage::Identity);
}

/// The handler inherits stdio and the marker's pipe; the rest closes with the exec at the end.
void inherit_only_own_descriptors() {
  require(::syscall(SYS_close_range, kReadyFd + 1U, ~0U, CLOSE_RANGE_CLOEXEC) == 0,
          ExecStage::Limits);
  require(::fcntl(kReadyFd, F_SETFD, 0) == 0, ExecStage::Limits);
}

/// Blocks. What comes with a packet: descriptors that become 0 (the payload) and 1 (the result).
ExecJob receive_job() {
  iovec part{packet, sizeof packet};
  int stdio[2];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof stdio)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = -1;
  do {
    size = ::recvmsg(kStatusFd, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size == 0) ::_exit(0);  // the launcher has no use for us, or is gone
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  ExecJob job;
  const bool whole = size > 0 && header != nullptr && header->cmsg_len == CMSG_LEN(sizeof stdio) &&
                     split_exec_job(packet, static_cast<size_t>(size), strings,
                                    sizeof strings / sizeof *strings, job);
  if (size > 0) errno = EINVAL;
  require(whole, ExecStage::Options);
  memcpy(stdio, CMSG_DATA(header), sizeof stdio);
  for (int target = 0; target < 2; ++target)
    require(::dup2(stdio[target], target) == target, ExecStage::Options);
  return job;
}

}  // namespace

int main() {
  ::prctl(PR_SET_NAME, "tariff-exec");  // else it is called by the number of a descriptor
  inherit_only_own_descriptors();
  make_private_tree();
  set_common_limits();
  reset_signals();
  (void)::setsid();  // fails only for a process that leads a group already: same effect for us
  join_own_keyring();
  drop_capabilities_for_ever();
  require(::setgroups(0, nullptr) == 0, ExecStage::Identity);
  require(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, ExecStage::Identity);
  send_status(ExecStage::Prepared, 0);

  const ExecJob job = receive_job();
  ExecOptions options;
  std::string_view wrong;
  errno = EINVAL;
  require(parse_exec_options(job.argc, job.argv, options, wrong), ExecStage::Options);
  if (options.nofile != 0) limit(RLIMIT_NOFILE, options.nofile);
  change_identity(options);
  require(::chdir(options.cwd) == 0, ExecStage::WorkingDirectory);
  send_status(ExecStage::FirstRan, 0);
  ::execve(options.argv[0], options.argv, job.environment);
  fail(ExecStage::Exec);
}
