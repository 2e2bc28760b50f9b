// SPDX-License-Identifier: Apache-2.0
#include "agent/psimon.h"

#include <fcntl.h>

#include <cctype>
#include <filesystem>
#include <string>

#include "base/fd.h"
#include "cgroup/boost.h"

namespace tariff::agent {
namespace {

// Children of kthreadd; absent in a kernel without CONFIG_PROC_CHILDREN (Debian's has it).
constexpr const char* kKernelThreads = "/proc/2/task/2/children";

std::vector<int> numbers_in(const std::string& text) {
  std::vector<int> numbers;
  int number = 0;
  for (const char c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      number = number * 10 + (c - '0');
    } else {
      if (number != 0) numbers.push_back(number);
      number = 0;
    }
  }
  if (number != 0) numbers.push_back(number);
  return numbers;
}

std::vector<int> candidates() {
  if (const auto text = read_file_at(AT_FDCWD, kKernelThreads)) return numbers_in(*text);
  std::string all;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator("/proc", error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (std::isdigit(static_cast<unsigned char>(name[0])) != 0) all += name + " ";
  }
  return numbers_in(all);
}

/// A process may call itself anything; a kernel thread has no memory of its own, hence an empty
/// command line.
bool is_psimon(int tid) {
  const std::string folder = "/proc/" + std::to_string(tid);
  const auto name = read_file_at(AT_FDCWD, folder + "/comm");
  if (!name || *name != "psimon\n") return false;
  const auto command = read_file_at(AT_FDCWD, folder + "/cmdline");
  return command && command->empty();
}

}  // namespace

std::vector<RaisedThread> raise_psimon() {
  std::vector<RaisedThread> raised;
  for (const int tid : candidates()) {
    if (!is_psimon(tid)) continue;
    const auto before = cgroup::read_scheduling(tid);
    if (!before || cgroup::level(*before) >= kPsimonPriority) continue;
    if (cgroup::write_scheduling(tid, {cgroup::kPolicyFifo, kPsimonPriority, 0, false}))
      raised.push_back({tid, *before});
  }
  return raised;
}

void put_back(const std::vector<RaisedThread>& raised) {
  const cgroup::Scheduling ours{cgroup::kPolicyFifo, kPsimonPriority, 0, false};
  for (const int tid : candidates()) {
    if (!is_psimon(tid) || cgroup::read_scheduling(tid) != ours) continue;
    cgroup::Scheduling before{cgroup::kPolicyFifo, 1, 0, false};
    for (const auto& thread : raised)
      if (thread.tid == tid) before = thread.before;
    (void)cgroup::write_scheduling(tid, before);
  }
}

}  // namespace tariff::agent
