// SPDX-License-Identifier: Apache-2.0
// logs: what a job wrote to its standard error. The launcher relays it to the journal with JOB_ID=,
// so journalctl is run to read it: it knows rotation, permissions and formats better than we.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/fd.h"
#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"

extern char** environ;

namespace tariff::ctl {
namespace {

using namespace std::chrono_literals;

constexpr auto kWaitSlice = 20s;
/// Lines may reach the journal a little after the job's end, and journalctl after that.
constexpr auto kSettle = 500ms;

bool valid_id(const std::string& id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

std::vector<std::string> journal_command(const Globals& globals, const LogsOptions& options) {
  std::vector<std::string> words{"journalctl", "--quiet", "--no-pager", "JOB_ID=" + options.id,
                                 "-o", globals.json ? "json" : "cat"};
  if (globals.json) words.push_back("--output-fields=MESSAGE,JOB_ID,CLASS,FUNCTION,PRIORITY");
  if (options.follow) words.insert(words.end(), {"--follow", "--no-tail"});
  return words;
}

/// Starts a program; its standard output goes to `out` unless that is negative.
Result<pid_t> start(const std::vector<std::string>& words, int out) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (out >= 0) ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return errno_error("cannot run " + words.front(), error, "logs are kept by systemd-journald");
  return pid;
}

int wait_for_exit(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Relays what the journal has; the number of bytes.
Result<std::size_t> copy_journal(const std::vector<std::string>& words) {
  auto pipe = make_pipe();
  if (!pipe) return std::move(pipe).error();
  const auto pid = start(words, pipe->write.get());
  if (!pid) return pid.error();
  pipe->write.reset();
  std::size_t total = 0;
  Status printed = ok();
  char buffer[65'536];
  while (printed) {
    const ssize_t count = ::read(pipe->read.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    total += static_cast<std::size_t>(count);
    printed = print_raw({buffer, static_cast<std::size_t>(count)});
  }
  pipe->read.reset();
  const int status = wait_for_exit(*pid);
  if (!printed) return printed.error();
  // journalctl ends with 1 when no entry matched; it has said itself what else is wrong.
  if (status > 1)
    return Error{ErrorKind::Unknown, "journalctl ended with status " + std::to_string(status), {}};
  return total;
}

int follow(const Globals& globals, const LogsOptions& options) {
  AgentClient agent(globals.endpoint, globals.timeout);
  v1::WaitRequest request;
  request.set_id(options.id);
  request.set_timeout_ms(1);
  auto reply = agent.call_patiently<v1::WaitReply>("Wait", request);
  if (!reply) return fail(globals, reply.error());
  const auto journal = start(journal_command(globals, options), -1);
  if (!journal) return fail(globals, journal.error(), static_cast<int>(Exit::Failed));
  request.set_timeout_ms(std::chrono::milliseconds(kWaitSlice).count());
  while (reply && !reply->ended())
    reply = agent.call_patiently<v1::WaitReply>("Wait", request, kWaitSlice);
  if (::geteuid() == 0)
    if (const auto sync = start({"journalctl", "--sync"}, -1)) wait_for_exit(*sync);
  std::this_thread::sleep_for(kSettle);
  ::kill(*journal, SIGTERM);
  wait_for_exit(*journal);
  return reply ? 0 : fail(globals, reply.error());
}

}  // namespace

int logs_command(const Globals& globals, const LogsOptions& options) {
  if (!valid_id(options.id))
    return fail(globals, Error{ErrorKind::InvalidArgument, "\"" + options.id + "\" is not a job id",
                               "an id is 1 to 64 of A-Z a-z 0-9 . _ -"});
  if (options.follow) return follow(globals, options);
  const auto copied = copy_journal(journal_command(globals, options));
  if (!copied) return fail(globals, copied.error(), static_cast<int>(Exit::Failed));
  if (*copied > 0) return 0;
  // Nothing in the journal: a job that wrote nothing, or an id that nobody knows?
  AgentClient agent(globals.endpoint, globals.timeout);
  v1::GetRequest request;
  request.set_id(options.id);
  const auto reply = agent.call<v1::GetReply>("Get", request);
  return reply ? 0 : fail(globals, reply.error());
}

}  // namespace tariff::ctl
