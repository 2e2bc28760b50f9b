// SPDX-License-Identifier: Apache-2.0
// Runs inside the guest. Three programs in one:
//   probe hold                     moves itself below its own cgroup and enables controllers there
//   probe churn COUNTERS           makes and removes cgroups and processes beside itself, for ever
//   probe run CLASS HOGS SECONDS   HOGS busy loops (SCHED_FIFO 30) in the cgroup CLASS/hogs, and
//       above them (58, as the launcher) a prober that times, again and again: mkdir of a leaf in
//       CLASS, clone3 into it (VM, VFORK, INTO_CGROUP), rmdir, and two writes of a
//       cgroup.subtree_control; prints JSON with every sample in microseconds
// The prober rests as long as a round took, and at least 2 ms, so that it is not what others starve
// behind. The hogs end by themselves: a machine that they stop comes back.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "base/fd.h"

namespace {

constexpr int kHogPriority = 30;     // the highest default class
constexpr int kProberPriority = 58;  // the launcher's
constexpr std::int64_t kShortestRest = 2'000;  // microseconds

std::int64_t now_us() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000LL + time.tv_nsec / 1'000;
}

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "probe: %s: %s\n", what.c_str(), std::strerror(errno));
  std::_Exit(1);
}

void write_text(const std::string& path, const std::string& text) {
  if (auto written = tariff::write_file_at(AT_FDCWD, path, text); !written)
    fail(written.error().text());
}

void raise_to(int priority) {
  const sched_param parameters{priority};
  if (::sched_setscheduler(0, SCHED_FIFO, &parameters) < 0) fail("sched_setscheduler");
}

std::string own_cgroup() {
  std::string line;
  std::getline(std::ifstream("/proc/self/cgroup"), line);
  return "/sys/fs/cgroup" + line.substr(3);  // "0::/path"
}

void hold() {
  const std::string unit = own_cgroup();
  ::mkdir((unit + "/holder").c_str(), 0755);
  write_text(unit + "/holder/cgroup.procs", "0");
  write_text(unit + "/cgroup.subtree_control", "+cpuset +pids +memory");
  while (true) ::pause();
}

/// What ordinary services do: their unit's cgroup comes, gets a process, and goes.
struct Counters {
  std::atomic<std::uint64_t> rounds;
  std::atomic<std::int64_t> longest_us;
};

void churn(const char* file) {
  auto opened = tariff::open_at(AT_FDCWD, file, O_RDWR | O_CREAT, 0644);
  if (!opened || ::ftruncate(opened->get(), sizeof(Counters)) < 0) fail(file);
  auto* counters = static_cast<Counters*>(
      ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, opened->get(), 0));
  const std::string group = own_cgroup() + "/churn-" + std::to_string(::getpid());
  while (true) {
    const auto begin = now_us();
    ::mkdir(group.c_str(), 0755);
    const pid_t child = ::fork();
    if (child == 0) {
      write_text(group + "/cgroup.procs", "0");
      std::_Exit(0);
    }
    ::waitpid(child, nullptr, 0);
    ::rmdir(group.c_str());
    const auto took = now_us() - begin;
    ++counters->rounds;
    if (took > counters->longest_us) counters->longest_us = took;
    ::usleep(1'000);
  }
}

void hog(const std::string& group, std::int64_t until) {
  write_text(group + "/cgroup.procs", "0");
  raise_to(kHogPriority);
  while (now_us() < until) {}
  std::_Exit(0);
}

/// The launcher's way of starting a process, less what it executes.
void launch_into(int leaf) {
  clone_args arguments{};
  arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<std::uint64_t>(leaf);
  static char stack[65'536] __attribute__((aligned(16)));
  arguments.stack = reinterpret_cast<std::uint64_t>(stack);
  arguments.stack_size = sizeof stack;
  // Inline, since the child returns on another stack, where the caller's frame is not.
  long pid = 0;
  __asm__ volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%rdi, %%rdi\n"
      "mov $60, %%rax\n"  // _exit(0)
      "syscall\n"
      "1:\n"
      : "=a"(pid)
      : "a"(SYS_clone3), "D"(&arguments), "S"(sizeof arguments)
      : "rcx", "r11", "memory");
  if (pid < 0) {
    errno = static_cast<int>(-pid);
    fail("clone3");
  }
  ::waitpid(static_cast<pid_t>(pid), nullptr, __WALL);
}

struct Operation {
  const char* name;
  std::vector<std::int64_t> samples;
};

void print(const std::vector<Operation>& operations) {
  std::printf("{");
  for (const auto& operation : operations) {
    std::printf("%s\"%s\": [", &operation == &operations.front() ? "" : ", ", operation.name);
    for (std::size_t i = 0; i < operation.samples.size(); ++i)
      std::printf("%s%lld", i == 0 ? "" : ",", static_cast<long long>(operation.samples[i]));
    std::printf("]");
  }
  std::printf("}\n");
}

void run(const std::string& price_class, int hogs, int seconds) {
  const std::string nest = price_class + "/nest";
  const std::string hog_group = price_class + "/hogs";
  for (const auto& group : {nest, hog_group})
    if (::mkdir(group.c_str(), 0755) < 0 && errno != EEXIST) fail(group);
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) < 0) fail("mlockall");
  std::vector<Operation> operations{{"mkdir", {}}, {"clone3", {}}, {"rmdir", {}},
                                    {"subtree_control", {}}};
  for (auto& operation : operations) operation.samples.reserve(100'000);
  raise_to(kProberPriority);
  const auto begin = now_us();
  const auto end = begin + seconds * 1'000'000LL;
  std::vector<pid_t> children;
  for (int i = 0; i < hogs; ++i) {
    const pid_t child = ::fork();
    if (child == 0) hog(hog_group, end);
    children.push_back(child);
  }
  ::usleep(100'000);  // until every hog spins
  const std::string leaf = price_class + "/leaf";
  const std::string control = nest + "/cgroup.subtree_control";
  auto time = begin;
  const auto lap = [&](int operation) {
    const auto now = now_us();
    operations[static_cast<std::size_t>(operation)].samples.push_back(now - time);
    time = now;
  };
  while (now_us() < end) {
    const auto round = time = now_us();
    if (::mkdir(leaf.c_str(), 0755) < 0) fail(leaf);
    lap(0);
    auto directory = tariff::open_at(AT_FDCWD, leaf, O_PATH | O_DIRECTORY);
    if (!directory) fail(directory.error().text());
    time = now_us();
    launch_into(directory->get());
    lap(1);
    directory->reset();
    time = now_us();
    while (::rmdir(leaf.c_str()) < 0)
      if (errno != EBUSY) fail(leaf);
    lap(2);
    write_text(control, "+pids");
    lap(3);
    write_text(control, "-pids");
    lap(3);
    ::usleep(static_cast<useconds_t>(std::max(now_us() - round, kShortestRest)));
  }
  for (const auto child : children) ::waitpid(child, nullptr, 0);
  ::rmdir(nest.c_str());
  ::rmdir(hog_group.c_str());
  print(operations);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "hold") hold();
  if (mode == "churn" && argc == 3) churn(argv[2]);
  if (mode != "run" || argc != 5) {
    std::fputs("usage: probe hold | churn COUNTERS | run CLASS HOGS SECONDS\n", stderr);
    return 2;
  }
  run(argv[2], std::atoi(argv[3]), std::atoi(argv[4]));
  return 0;
}
