// SPDX-License-Identifier: Apache-2.0
// What tariffctl's exit status says, and what to tell a person whose call failed. The numbers are
// documented in tariffctl(1); scripts depend on them.
#pragma once

#include <string>

#include "base/result.h"
#include "ipc/proto/agent.pb.h"

namespace tariff::ctl {

/// Every command but `run` and `wait`.
enum class Exit {
  Ok = 0,
  Failed = 1,       ///< the job or the check failed, or an error without a number of its own
  Usage = 2,
  Unreachable = 3,  ///< no agent answers
  Refused = 4,
  NotFound = 5,     ///< never heard of, or expired
  Permission = 6,
};

/// `run` and `wait` end like the handler: its exit status, or 128 + signal. When it is not the
/// handler that decided, the numbers near those that timeout(1), env(1) and shells use.
enum class RunExit {
  Cancelled = 120,
  Unreachable = 121,   ///< no agent answers, or no permission: the job's fate is not known
  Lost = 122,          ///< the launcher died, or the record had been dropped
  OverLimit = 123,     ///< result too large, out of memory, killed for memory
  Timeout = 124,       ///< timeout, cpu_timeout or deadline
  Refused = 125,
  NotExecutable = 126, ///< the handler or its process could not be started
  UnknownFunction = 127,
};

Exit exit_of(ErrorKind kind);
int run_exit_of(const v1::Job& job);
int run_exit_of_refusal(v1::Refusal refusal);
/// For an Error of a call that `run` or `wait` made.
int run_exit_of_error(ErrorKind kind);

/// "TOO_MANY_JOBS" -> "too many jobs": the typed reason in words.
std::string refusal_words(v1::Refusal refusal);
/// What to do about a refusal; empty if the agent's message says all.
std::string refusal_hint(v1::Refusal refusal);

/// Who is asking, as far as it explains a "permission denied".
struct Caller {
  bool root = false;
  bool in_group = false;  ///< in group tariff, in this login session
};

/// Makes a failed connect readable: what kind it is for exit_of(), and what to do about it.
Error explain_connect_failure(Error error, const std::string& endpoint, Caller caller);

}  // namespace tariff::ctl
