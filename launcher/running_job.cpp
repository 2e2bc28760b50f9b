// SPDX-License-Identifier: Apache-2.0
#include "launcher/running_job.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <cstring>

#include "base/crash_point.h"
#include "base/packet.h"

namespace tariff::launcher {
namespace {

std::vector<std::string> trampoline_arguments(const Handler& handler, const ClassRun& run,
                                              std::uint32_t uid) {
  std::vector<std::string> words = {
      "tariff-exec",
      "--uid=" + std::to_string(uid),
      "--gid=" + std::to_string(uid),
      "--oom-score-adj=" + std::to_string(run.oom_score_adj),
      "--nofile=" + std::to_string(handler.nofile),
      "--cwd=" + handler.working_directory,
      "--status-fd=" + std::to_string(kStatusFd),
      "--ready-fd=" + std::to_string(kReadyFd),
      run.round_robin ? "--policy=rr" : run.fifo ? "--policy=fifo" : "--policy=other"};
  if (run.fifo) words.push_back("--priority=" + std::to_string(run.priority));
  words.push_back("--");
  words.insert(words.end(), handler.argv.begin(), handler.argv.end());
  return words;
}

}  // namespace

void Jobs::Prepared::launch(Cloner& cloner, LeafPool& leaves) {
  auto prepared = prepare(leaves);
  if (prepared) prepared = clone(cloner);
  if (!prepared) failed = std::move(prepared).error();
}

Status Jobs::Prepared::prepare(LeafPool& leaves) {
  auto taken = leaves.take(run.directory);
  if (!taken) return std::move(taken).error();
  leaf = std::make_shared<const Leaf>(std::move(*taken));
  auto limited = set_limits(*leaf, {record.spec.memory_max, handler.pids_max});
  if (!limited) return limited;
  record.leaf = leaf->path;
  Record marked;
  fill(marked, record);
  auto written = write_job_xattr(*leaf, marked.SerializeAsString());
  if (!written) return written;
  auto made = make_stdio(payload, record.spec.result_max);
  if (!made) return std::move(made).error();
  stdio = std::move(*made);
  if (payload)
    first_read_watch = ::inotify_add_watch(
        first_reads, ("/proc/self/fd/" + std::to_string(payload.get())).c_str(),
        IN_ACCESS | IN_ONESHOT);  // failure: "initialised" stays unknown
  auto opened = open_at(leaf->directory.get(), "cgroup.events", O_RDONLY);
  if (!opened) return std::move(opened).error().context("following " + leaf->path);
  events = std::move(*opened);
  return ok();
}

Status Jobs::Prepared::clone(Cloner& cloner) {
  crash_point("launcher.before_clone");
  launched = monotonic_now();  // before: the child may well get further than we do meanwhile
  auto cloned = cloner.clone_into(*leaf, stdio, trampoline_arguments(handler, run, record.uid),
                                  handler.env);
  if (!cloned) return std::move(cloned).error();
  crash_point("launcher.after_clone");
  child = std::move(*cloned);
  stdio.job_stdin.reset();
  stdio.job_stderr.reset();
  stdio.job_ready.reset();
  stdio.job_status.reset();
  (void)read_events(events.get());  // changes count from here
  return ok();
}

Jobs::Job::Job(std::string job_id, Prepared&& prepared)
    : id(std::move(job_id)), handler_path(prepared.handler.argv.front()),
      leaf(std::move(prepared.leaf)), stdio(std::move(prepared.stdio)),
      events(std::move(prepared.events)), child(std::move(prepared.child)),
      first_read_watch(prepared.first_read_watch) {}

Jobs::Job::Job(std::string job_id, SharedLeaf lost) : id(std::move(job_id)), leaf(std::move(lost)) {
  auto opened = open_at(leaf->directory.get(), "cgroup.events", O_RDONLY);
  if (!opened) return;
  events = std::move(*opened);
  (void)read_events(events.get());
}

std::optional<ReceivedStatus> receive_status(int socket) {
  ReceivedStatus received;
  ReceivedPacket packet = receive_packet(socket, &received.status, sizeof received.status);
  if (packet.size < 0 && errno == EAGAIN) return std::nullopt;
  received.closed = packet.size != static_cast<ssize_t>(sizeof received.status);
  received.attached = std::move(packet.attached);
  return received;
}

}  // namespace tariff::launcher
