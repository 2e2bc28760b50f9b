// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/failure.h"

#include <algorithm>
#include <cctype>

namespace tariff::ctl {
namespace {
constexpr int kSignalBase = 128;  // as shells report a death by signal
int number(RunExit exit) { return static_cast<int>(exit); }
}  // namespace

Exit exit_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Unavailable:
    case ErrorKind::DeadlineExceeded: return Exit::Unreachable;
    case ErrorKind::NotFound:
    case ErrorKind::FailedPrecondition: return Exit::NotFound;  // a record that has expired
    case ErrorKind::PermissionDenied: return Exit::Permission;
    case ErrorKind::InvalidArgument: return Exit::Usage;
    case ErrorKind::AlreadyExists:
    case ErrorKind::ResourceExhausted: return Exit::Refused;
    default: return Exit::Failed;
  }
}

int run_exit_of(const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_EXPIRED) return number(RunExit::Lost);
  switch (job.end_reason()) {
    case v1::END_REASON_EXITED: return job.exit_status() & 0xff;
    case v1::END_REASON_SIGNALED: return kSignalBase + job.signal();
    case v1::END_REASON_EXEC_FAILED:
    case v1::END_REASON_LAUNCH_FAILED: return number(RunExit::NotExecutable);
    case v1::END_REASON_TIMEOUT:
    case v1::END_REASON_CPU_TIMEOUT:
    case v1::END_REASON_DEADLINE: return number(RunExit::Timeout);
    case v1::END_REASON_CANCELLED: return number(RunExit::Cancelled);
    case v1::END_REASON_RESULT_TOO_LARGE:
    case v1::END_REASON_OUT_OF_MEMORY:
    case v1::END_REASON_KILLED_FOR_MEMORY: return number(RunExit::OverLimit);
    default: return number(RunExit::Lost);
  }
}

int run_exit_of_refusal(v1::Refusal refusal) {
  return number(refusal == v1::REFUSAL_UNKNOWN_FUNCTION ? RunExit::UnknownFunction
                : refusal == v1::REFUSAL_LAUNCH_FAILED  ? RunExit::NotExecutable
                                                        : RunExit::Refused);
}

int run_exit_of_error(ErrorKind kind) {
  switch (exit_of(kind)) {
    case Exit::Refused:
    case Exit::Usage: return number(RunExit::Refused);
    case Exit::NotFound: return number(RunExit::Lost);
    default: return number(RunExit::Unreachable);
  }
}

std::string refusal_words(v1::Refusal refusal) {
  std::string words = v1::Refusal_Name(refusal);
  const std::string prefix = "REFUSAL_";
  if (words.rfind(prefix, 0) == 0) words.erase(0, prefix.size());
  std::transform(words.begin(), words.end(), words.begin(), [](unsigned char c) {
    return c == '_' ? ' ' : static_cast<char>(std::tolower(c));
  });
  return words.empty() ? "unknown reason" : words;
}

std::string refusal_hint(v1::Refusal refusal) {
  switch (refusal) {
    case v1::REFUSAL_UNKNOWN_FUNCTION: return "tariffctl functions lists what may run here";
    case v1::REFUSAL_ID_IN_USE: return "choose another --id, or leave it out";
    case v1::REFUSAL_DRAINING: return "root takes placements again with tariffctl drain --undo";
    case v1::REFUSAL_TOO_MANY_JOBS: return "try again later, or raise limits.max_jobs";
    case v1::REFUSAL_LAUNCHER_UNAVAILABLE: return "see systemctl status tariff-launcher";
    case v1::REFUSAL_LAUNCH_FAILED: return "see journalctl -u tariffd -u tariff-launcher";
    case v1::REFUSAL_INVALID_ID: return "an id is 1 to 64 of A-Z a-z 0-9 . _ -";
    case v1::REFUSAL_EXPIRED_ID: return "choose another --id, or leave it out";
    default: return {};
  }
}

Error explain_connect_failure(Error error, const std::string& endpoint, Caller caller) {
  if (endpoint.rfind("tls://", 0) == 0) {  // it says itself what is wrong with which certificate
    if (error.kind == ErrorKind::DeadlineExceeded) error.kind = ErrorKind::Unavailable;
    return error;
  }
  if (error.kind == ErrorKind::PermissionDenied) {
    error.hint = caller.root ? "root is refused: is the socket in a directory of another mount?"
                 : caller.in_group
                     ? "the socket should belong to group tariff with mode 0660: see "
                       "systemctl status tariffd.socket"
                     : "you are not in group tariff: sudo adduser $USER tariff, log in again, or "
                       "use sudo";
    return error;
  }
  // A socket that is not there is an agent that cannot be reached, not a job that was not found.
  if (error.kind == ErrorKind::NotFound || error.kind == ErrorKind::Unavailable ||
      error.kind == ErrorKind::DeadlineExceeded) {
    error.hint = endpoint.rfind('/', 0) == 0
                     ? "is the agent running here? systemctl status tariffd.socket tariffd"
                     : "is the agent listening there? sockets.tcp_listen in tariffd.yaml";
    error.kind = ErrorKind::Unavailable;
  }
  return error;
}

}  // namespace tariff::ctl
