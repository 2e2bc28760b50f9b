// SPDX-License-Identifier: Apache-2.0
#include "tools/benchmark/launch/processes.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/fd.h"

extern char** environ;

namespace tariff::benchmark {
namespace {

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return errno_error("cannot make a pipe", errno);
  return Pipe{Fd::adopt(ends[0]), Fd::adopt(ends[1])};
}

struct FileActions {
  posix_spawn_file_actions_t raw{};
  FileActions() { ::posix_spawn_file_actions_init(&raw); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&raw); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
};

Result<pid_t> spawn(const std::vector<std::string>& argv, const FileActions& actions) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, words[0], &actions.raw, nullptr, words.data(), environ);
  if (error != 0) return errno_error("cannot start " + argv.front(), error);
  return pid;
}

Status wait_for(pid_t pid, const std::string& program) {
  int status = 0;
  if (::waitpid(pid, &status, 0) < 0) return errno_error("cannot wait for " + program, errno);
  if (status == 0) return ok();
  return Error{ErrorKind::Internal,
               program + " failed with wait status " + std::to_string(status), {}};
}

}  // namespace

Status spawn_with_pipes(const std::string& program) {
  std::array<Pipe, 3> pipes;
  for (auto& pipe : pipes) {
    auto made = make_pipe();
    if (!made) return std::move(made).error();
    pipe = std::move(*made);
  }
  FileActions actions;
  ::posix_spawn_file_actions_adddup2(&actions.raw, pipes[0].read.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.raw, pipes[1].write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions.raw, pipes[2].write.get(), STDERR_FILENO);
  auto pid = spawn({program}, actions);
  if (!pid) return std::move(pid).error();
  pipes[0].read.reset();
  pipes[0].write.reset();
  for (std::size_t stream : {1, 2}) {
    pipes[stream].write.reset();
    char buffer[4096];
    while (::read(pipes[stream].read.get(), buffer, sizeof buffer) > 0) {
    }
  }
  return wait_for(*pid, program);
}

Status run_client(const std::vector<std::string>& argv) {
  FileActions actions;
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO})
    ::posix_spawn_file_actions_addopen(&actions.raw, stream, "/dev/null", O_RDWR, 0);
  auto pid = spawn(argv, actions);
  if (!pid) return std::move(pid).error();
  return wait_for(*pid, argv.front());
}

}  // namespace tariff::benchmark
