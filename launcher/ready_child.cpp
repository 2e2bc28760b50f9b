// SPDX-License-Identifier: Apache-2.0
#include "launcher/ready_child.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "launcher/exec_status.h"
#include "launcher/loop.h"

namespace tariff::launcher {

Result<ReadyChild> start_trampoline(Cloner& cloner, SharedLeaf leaf, Cloner::Tracked tracked) {
  ReadyChild ready;
  ready.leaf = std::move(leaf);
  ready.tracked = tracked == Cloner::Tracked::Yes;
  auto made = make_stdio();
  if (!made) return std::move(made).error();
  ready.stdio = std::move(*made);
  auto opened = open_at(ready.leaf->directory.get(), "cgroup.events", O_RDONLY);
  if (!opened) return std::move(opened).error().context("following " + ready.leaf->path);
  ready.events = std::move(*opened);
  auto cloned = cloner.clone_into(*ready.leaf, ready.stdio, tracked);
  if (!cloned) return std::move(cloned).error();
  ready.child = std::move(*cloned);
  auto score = open_at(AT_FDCWD, "/proc/" + std::to_string(ready.child.pid) + "/oom_score_adj",
                       O_WRONLY);
  if (score) ready.oom_score = std::move(*score);  // else it has died: await_prepared() says so
  ready.stdio.job_stderr.reset();
  ready.stdio.job_ready.reset();
  ready.stdio.job_status.reset();
  (void)read_events(ready.events.get());  // changes count from here
  return ready;
}

Status await_prepared(ReadyChild& ready, Nanos patience) {
  const Nanos deadline = monotonic_now() + patience;
  const auto failed = [&](const std::string& why) {
    return Error{ErrorKind::Unavailable, "a trampoline in " + ready.leaf->path + ": " + why, {}};
  };
  for (;;) {
    auto received = receive_status(ready.stdio.status.get());
    if (!received) {
      const Nanos left = deadline - monotonic_now();
      if (left <= 0) return failed("not prepared in time");
      pollfd wanted{ready.stdio.status.get(), POLLIN, 0};
      (void)::poll(&wanted, 1, static_cast<int>(left / 1'000'000) + 1);
      continue;
    }
    const ExecStatus& status = received->status;
    if (received->closed) return failed("it has died");
    if (status.error != 0)
      return failed("cannot " + std::string(exec_stage_text(status.stage)) + ": " +
                    std::strerror(status.error));
    if (status.stage == ExecStage::Prepared) return ok();
    ready.namespaces.push_back(std::move(received->attached));
  }
}

Status enter_class(const ReadyChild& ready, const ClassRun& run) {
  const auto failed = [&](const char* what) {
    auto error = errno_error(std::string("cannot set the ") + what + " of a trampoline in " +
                             ready.leaf->path, errno);
    if (errno == ESRCH) error.kind = ErrorKind::Unavailable;
    return error;
  };
  // It may have died before it was tracked, and its number be somebody else's by now.
  if (::syscall(SYS_pidfd_send_signal, ready.child.pidfd.get(), 0, nullptr, 0) < 0)
    return failed("class");
  // Written with CAP_SYS_RESOURCE it is also the lowest that the job can choose.
  const std::string score = std::to_string(run.oom_score_adj);
  if (::write(ready.oom_score.get(), score.data(), score.size()) < 0) return failed("OOM score");
  const int policy = run.round_robin ? SCHED_RR : run.fifo ? SCHED_FIFO : SCHED_OTHER;
  const sched_param priority{run.fifo ? run.priority : 0};
  if (::sched_setscheduler(ready.child.pid, policy, &priority) < 0) return failed("priority");
  return ok();
}

}  // namespace tariff::launcher
