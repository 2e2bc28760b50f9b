// SPDX-License-Identifier: Apache-2.0
#include "launcher/running_job.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include "base/crash_point.h"

namespace tariff::launcher {
namespace {

// More than can have waited in vain.
constexpr int kAttempts = 300;

std::vector<std::string> trampoline_arguments(const Handler& handler, std::uint32_t uid) {
  std::vector<std::string> words = {
      "tariff-exec",
      "--uid=" + std::to_string(uid),
      "--gid=" + std::to_string(uid),
      "--nofile=" + std::to_string(handler.nofile),
      "--cwd=" + handler.working_directory,
      "--"};
  words.insert(words.end(), handler.argv.begin(), handler.argv.end());
  return words;
}

}  // namespace

void Jobs::Prepared::launch(Cloner& cloner, LeafPool& leaves) {
  for (int attempt = 1;; ++attempt) {
    auto taken = leaves.take(run.directory);
    if (!taken) return failed.emplace(std::move(taken).error()), void();
    ready = std::move(*taken);
    auto done = set_limits(*ready.leaf, {record.spec.memory_max, handler.pids_max});
    if (done) done = hand_over(cloner);
    if (done) return;
    // Ends with its channel, if it has not ended already.
    ready.stdio = {};
    if (ready.tracked) cloner.settled(ready.child.pid);
    // One that waited may have been killed by somebody; a tracked one was started just now.
    if (done.error().kind != ErrorKind::Unavailable || attempt == kAttempts)
      return failed.emplace(std::move(done).error()), void();
    leaves.remove(ready.leaf, [] {});
  }
}

Status Jobs::Prepared::mark_leaf() {
  record.leaf = ready.leaf->path;
  Record marked;
  fill(marked, record);
  return write_job_xattr(*ready.leaf, marked.SerializeAsString());
}

Status Jobs::Prepared::hand_over(Cloner& cloner) {
  auto added = add_payload_and_result(ready.stdio, payload, record.spec.result_max);
  if (!added) return added;
  if (payload)
    first_read_watch = ::inotify_add_watch(
        first_reads, ("/proc/self/fd/" + std::to_string(payload.get())).c_str(),
        IN_ACCESS | IN_ONESHOT);  // failure: "initialised" stays unknown
  crash_point("launcher.before_clone");
  if (!ready.tracked) cloner.track(ready.child.pid);
  ready.tracked = true;
  auto entered = enter_class(ready, run);
  if (!entered) return entered;
  auto marked = mark_leaf();  // from here on it counts as one that may have run (lost_jobs.h)
  if (!marked) return marked;
  launched = monotonic_now();  // before: the child may well get further than we do meanwhile
  auto given = Cloner::hand_over(ready.stdio, trampoline_arguments(handler, record.uid),
                                 handler.env);
  if (!given) return given;
  crash_point("launcher.after_clone");
  ready.stdio.job_stdin.reset();
  return ok();
}

Jobs::Job::Job(std::string job_id, Prepared&& prepared)
    : id(std::move(job_id)), handler_path(prepared.handler.argv.front()),
      leaf(std::move(prepared.ready.leaf)), stdio(std::move(prepared.ready.stdio)),
      events(std::move(prepared.ready.events)), child(std::move(prepared.ready.child)),
      namespaces(std::move(prepared.ready.namespaces)),
      first_read_watch(prepared.first_read_watch) {}

Jobs::Job::Job(std::string job_id, SharedLeaf lost) : id(std::move(job_id)), leaf(std::move(lost)) {
  auto opened = open_at(leaf->directory.get(), "cgroup.events", O_RDONLY);
  if (!opened) return;
  events = std::move(*opened);
  (void)read_events(events.get());
}

}  // namespace tariff::launcher
