// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/failure.h"

#include <set>

#include "support/catch.h"

using namespace tariff;
using namespace tariff::ctl;

namespace {
v1::Job ended(v1::EndReason reason) {
  v1::Job job;
  job.set_state(v1::JOB_STATE_ENDED);
  job.set_end_reason(reason);
  return job;
}
}  // namespace

TEST_CASE("run ends like the handler ended") {
  v1::Job job = ended(v1::END_REASON_EXITED);
  job.set_exit_status(42);
  CHECK(run_exit_of(job) == 42);
  job = ended(v1::END_REASON_SIGNALED);
  job.set_signal(15);
  CHECK(run_exit_of(job) == 143);
}

TEST_CASE("what was not the handler's doing has a number of its own") {
  CHECK(run_exit_of(ended(v1::END_REASON_CANCELLED)) == 120);
  CHECK(run_exit_of(ended(v1::END_REASON_LAUNCHER_LOST)) == 122);
  CHECK(run_exit_of(ended(v1::END_REASON_RESULT_TOO_LARGE)) == 123);
  CHECK(run_exit_of(ended(v1::END_REASON_OUT_OF_MEMORY)) == 123);
  CHECK(run_exit_of(ended(v1::END_REASON_KILLED_FOR_MEMORY)) == 123);
  CHECK(run_exit_of(ended(v1::END_REASON_TIMEOUT)) == 124);
  CHECK(run_exit_of(ended(v1::END_REASON_CPU_TIMEOUT)) == 124);
  CHECK(run_exit_of(ended(v1::END_REASON_DEADLINE)) == 124);
  CHECK(run_exit_of(ended(v1::END_REASON_EXEC_FAILED)) == 126);
  CHECK(run_exit_of(ended(v1::END_REASON_LAUNCH_FAILED)) == 126);
  v1::Job expired = ended(v1::END_REASON_EXITED);
  expired.set_state(v1::JOB_STATE_EXPIRED);
  CHECK(run_exit_of(expired) == 122);
  CHECK(run_exit_of_refusal(v1::REFUSAL_UNKNOWN_FUNCTION) == 127);
  CHECK(run_exit_of_refusal(v1::REFUSAL_LAUNCH_FAILED) == 126);
  CHECK(run_exit_of_refusal(v1::REFUSAL_DRAINING) == 125);
  CHECK(run_exit_of_error(ErrorKind::Unavailable) == 121);
  CHECK(run_exit_of_error(ErrorKind::PermissionDenied) == 121);
  CHECK(run_exit_of_error(ErrorKind::NotFound) == 122);
  CHECK(run_exit_of_error(ErrorKind::FailedPrecondition) == 122);
  CHECK(run_exit_of_error(ErrorKind::ResourceExhausted) == 125);
}

TEST_CASE("errors of calls map to the documented exit codes") {
  CHECK(exit_of(ErrorKind::Unavailable) == Exit::Unreachable);
  CHECK(exit_of(ErrorKind::DeadlineExceeded) == Exit::Unreachable);
  CHECK(exit_of(ErrorKind::NotFound) == Exit::NotFound);
  CHECK(exit_of(ErrorKind::PermissionDenied) == Exit::Permission);
  CHECK(exit_of(ErrorKind::InvalidArgument) == Exit::Usage);
  CHECK(exit_of(ErrorKind::ResourceExhausted) == Exit::Refused);
  CHECK(exit_of(ErrorKind::FailedPrecondition) == Exit::NotFound);
  CHECK(exit_of(ErrorKind::Internal) == Exit::Failed);
}

TEST_CASE("every refusal has words") {
  std::set<std::string> words;
  for (int refusal = v1::Refusal_MIN; refusal <= v1::Refusal_MAX; ++refusal)
    words.insert(refusal_words(static_cast<v1::Refusal>(refusal)));
  CHECK(words.size() == static_cast<std::size_t>(v1::Refusal_ARRAYSIZE));
  CHECK(words.count("too many jobs") == 1);
}

TEST_CASE("a failed connect says what to do about it") {
  const Error denied{ErrorKind::PermissionDenied, "cannot connect to /s: Permission denied", {}};
  const Error outsider = explain_connect_failure(denied, "/s", Caller{});
  CHECK(outsider.kind == ErrorKind::PermissionDenied);
  CHECK(outsider.text() ==
        "cannot connect to /s: Permission denied (you are not in group tariff: "
        "sudo adduser $USER tariff, log in again, or use sudo)");
  const Error member = explain_connect_failure(denied, "/s", Caller{.in_group = true});
  CHECK(member.hint.find("0660") != std::string::npos);

  const Error missing{ErrorKind::NotFound, "cannot connect to /s: No such file or directory", {}};
  const Error unreachable = explain_connect_failure(missing, "/s", Caller{});
  CHECK(exit_of(unreachable.kind) == Exit::Unreachable);
  CHECK(unreachable.hint.find("systemctl status tariffd.socket") != std::string::npos);
  CHECK(explain_connect_failure(missing, "127.0.0.1:7", Caller{}).hint.find("tcp_listen") !=
        std::string::npos);

  // TLS explains itself: a group on this machine has nothing to do with it.
  const Error untrusted{ErrorKind::PermissionDenied, "refused", "ask the CA"};
  CHECK(explain_connect_failure(untrusted, "tls://n:1", Caller{}).text() == "refused (ask the CA)");
  const Error silent{ErrorKind::DeadlineExceeded, "nobody answers", {}};
  CHECK(exit_of(explain_connect_failure(silent, "tls://n:1", Caller{}).kind) == Exit::Unreachable);
}
