// SPDX-License-Identifier: Apache-2.0
// What the trampoline tariff-exec is told (exec_job.h), and what it says on its channel.
//
//   tariff-exec --uid=2000001 --gid=2000001 --nofile=1024 --cwd=/tmp -- /usr/bin/handler arg
//
// Only the launcher writes such words, so a wrong one is a bug and nobody is asked to repair it:
// the parser says which option it did not take, and the trampoline exits.
// Standard library only, no allocation: the trampoline is static and small.
#pragma once

#include <cstdint>
#include <string_view>

namespace tariff::launcher {

struct ExecOptions {
  std::uint32_t uid = 0;       ///< required, never 0: a job is not root
  std::uint32_t gid = 0;       ///< required, never 0
  std::uint64_t nofile = 0;    ///< RLIMIT_NOFILE; 0 leaves it
  const char* cwd = "/";       ///< absolute
  char** argv = nullptr;       ///< the handler's, ends with a null pointer; argv[0] is absolute
};

/// Parses; on failure `wrong` is the argument that was not taken (or what is missing).
bool parse_exec_options(int argc, char** argv, ExecOptions& options, std::string_view& wrong);

/// What a message of the trampoline is about.
enum class ExecStage : std::uint32_t {
  FirstRan = 0,      ///< no failure: about to exec, in the class's priority, at `time_ns`
  Namespaces = 1,    ///< no failure if error == 0: carries a namespace of the job (SCM_RIGHTS)
  Options = 2,
  Mounts = 3,
  Limits = 4,
  Identity = 5,
  WorkingDirectory = 6,
  Exec = 7,
  Prepared = 8,      ///< no failure: all is done that needs no job; waits for one
};

/// One message. Fixed size, host byte order: both ends are of one build.
struct ExecStatus {
  ExecStage stage;
  std::int32_t error;      ///< errno
  std::int64_t time_ns;    ///< CLOCK_MONOTONIC
};
static_assert(sizeof(ExecStatus) == 16);

/// "execute", "change to its working directory", ...: completes "cannot ...".
std::string_view exec_stage_text(ExecStage stage);

}  // namespace tariff::launcher
