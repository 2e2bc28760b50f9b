// SPDX-License-Identifier: Apache-2.0
#include "launcher/jobs.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/crash_point.h"
#include "launcher/exec_status.h"
#include "launcher/log.h"
#include "launcher/running_job.h"

namespace tariff::launcher {
namespace {

constexpr int kLaunchThreads = 4;
// The end of a mount namespace waits for an RCU grace period: up to 1 s while jobs starve the
// kernel's own threads. Those that wait together share one.
constexpr int kCloseThreads = 8;
// memory.current of running jobs: while that of none changes, each time twice as long after the
// last as before. A job that grows in between is billed as if it had grown steadily.
constexpr Nanos kSampleInterval = 1'000'000'000;
constexpr Nanos kLongestSampleInterval = 8'000'000'000;
constexpr Nanos kDropInterval = 50'000'000;       // of stderr over its rate
// What is left to do of a job that has ended waits this long, so that whoever waits for its result
// has the CPU first; and nothing is made for later jobs this long after a launch, unless one ends.
constexpr Nanos kBreath = 20'000'000;
constexpr Nanos kRefillAfter = 100'000'000;
constexpr std::size_t kSmallResult = 64 << 10;

std::string failure_text(const ExecStatus& status, const std::string& handler) {
  std::string text = "cannot " + std::string(exec_stage_text(status.stage));
  if (status.stage == ExecStage::Exec) text += " " + handler;
  const char* name = ::strerrorname_np(status.error);
  return text + ": " + std::strerror(status.error) + " (" + (name != nullptr ? name : "?") + ")";
}

bool handlers_fault(ExecStage stage) {
  return stage == ExecStage::Exec || stage == ExecStage::WorkingDirectory;
}

}  // namespace

Result<Jobs*> Jobs::start(Parts parts, Told told, Fd first_reads) {
  auto* jobs = new Jobs(parts, std::move(told));
  auto launchers = Workers::start("launch", kLaunchThreads, Workers::Priority::AsProcess);
  auto readers = Workers::start("usage", 2, Workers::Priority::AsProcess);
  auto enders = Workers::start("end", 2, Workers::Priority::AsProcess);
  auto closers = Workers::start("namespaces", kCloseThreads, Workers::Priority::AsWorker);
  if (!launchers) return std::move(launchers).error();
  if (!readers) return std::move(readers).error();
  if (!enders) return std::move(enders).error();
  if (!closers) return std::move(closers).error();
  jobs->launchers_ = *launchers;
  jobs->readers_ = *readers;
  jobs->enders_ = *enders;
  jobs->closers_ = *closers;
  jobs->first_reads_ = first_reads ? std::move(first_reads)
                                   : Fd::adopt(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!jobs->first_reads_) return errno_error("cannot make an inotify instance", errno);
  auto watched = parts.loop.watch(jobs->first_reads_.get(), EPOLLIN,
                                  [jobs](std::uint32_t) { jobs->on_first_reads(); });
  if (!watched) return std::move(watched).error();
  return jobs;
}

Jobs::Jobs(Parts parts, Told told) : parts_(parts), told_(std::move(told)) {}

Jobs::~Jobs() = default;

Jobs::Job* Jobs::find(const std::string& id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

void Jobs::launch(const std::string& id, Handler handler, const ClassRun& run, Fd payload) {
  auto prepared = std::make_shared<Prepared>();
  prepared->handler = std::move(handler);
  prepared->run = run;
  prepared->payload = std::move(payload);
  prepared->record = *parts_.table.find(id);
  prepared->first_reads = first_reads_.get();
  ++launching_;
  launchers_->run([this, id, prepared] {
    prepared->launch(parts_.cloner, parts_.leaves);
    parts_.loop.post([this, id, prepared] { launched(id, prepared); });
  });
}

void Jobs::launched(const std::string& id, std::shared_ptr<Prepared> prepared) {
  const std::uint32_t uid = prepared->record.uid;
  --launching_;
  if (prepared->failed) {
    parts_.table.launch_failed(id);
    const auto free_uid = [this, uid] {
      parts_.loop.post([this, uid] { parts_.table.free_uid(uid); });
    };
    if (prepared->ready.leaf) parts_.leaves.remove(prepared->ready.leaf, free_uid);
    else parts_.table.free_uid(uid);
    told_.launched(id, prepared->failed);
    return reap();
  }
  const Nanos at = prepared->launched;
  auto job = std::make_unique<Job>(id, std::move(*prepared));
  const int pid = job->child.pid;
  job->errors = std::make_unique<StderrRelay>(
      std::move(job->stdio.stderr_read), parts_.journal,
      journal_fields(id, prepared->run.name, prepared->record.spec.function), stderr_rate_,
      monotonic_now());
  by_pid_[pid] = id;
  Job& kept = *(jobs_[id] = std::move(job));
  parts_.table.cloned(id, pid, kept.leaf->path, at);
  parts_.cloner.settled(pid);
  sample_interval_ = kSampleInterval;
  if (sample_due_ == 0 || sample_due_ > at + kSampleInterval) sample_due_ = at + kSampleInterval;
  refills_.emplace(prepared->run.directory, at + kRefillAfter);
  follow(kept);
  if (kept.first_read_watch >= 0) {
    by_watch_[kept.first_read_watch] = id;
    const auto early = early_reads_.extract(kept.first_read_watch);
    if (early) first_read(kept.first_read_watch, early.mapped());
  }
  if (launching_ == 0) early_reads_.clear();
  told_.launched(id, std::nullopt);
  reap();
}

void Jobs::follow(Job& job) {
  // Descriptors go before the job does, so a handler never sees a job that is gone.
  const auto watch = [this, &job](int fd, std::uint32_t events, auto handler) {
    auto done = parts_.loop.watch(fd, events, [this, &job, handler](std::uint32_t) {
      (this->*handler)(job);
    });
    if (!done)
      log_line(LogLevel::Error, "job=%s %s", job.id.c_str(), done.error().text().c_str());
  };
  if (job.stdio.status) watch(job.stdio.status.get(), EPOLLIN, &Jobs::on_status);
  if (job.errors) watch(job.errors->fd(), EPOLLIN, &Jobs::on_stderr);
  watch(job.events.get(), EPOLLPRI, &Jobs::on_events);
  if (!job.stdio.ready_read) return;
  auto done = parts_.loop.watch(job.stdio.ready_read.get(), EPOLLIN, [this, &job](std::uint32_t) {
    on_ready(job, monotonic_now());
  });
  if (!done) log_line(LogLevel::Error, "job=%s %s", job.id.c_str(), done.error().text().c_str());
}

void Jobs::on_status(Job& job) {
  for (;;) {
    auto received = receive_status(job.stdio.status.get());
    if (!received) return;
    if (received->closed) {
      parts_.loop.forget(job.stdio.status.get());
      return job.stdio.status.reset();
    }
    const ExecStatus& status = received->status;
    if (status.stage == ExecStage::FirstRan) {
      parts_.table.first_ran(job.id, status.time_ns);
      told_.changed(job.id);
    } else if (status.error != 0) {
      parts_.table.start_failed(job.id,
                                handlers_fault(status.stage) ? EndReason::ExecFailed
                                                             : EndReason::LaunchFailed,
                                failure_text(status, job.handler_path));
    }
  }
}

void Jobs::on_ready(Job& job, Nanos now) {
  char byte = 0;
  const ssize_t count = ::read(job.stdio.ready_read.get(), &byte, 1);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  parts_.loop.forget(job.stdio.ready_read.get());
  job.stdio.ready_read.reset();
  if (count != 1) return;
  parts_.table.initialised(job.id, InitialisedBy::Marker, now);
  told_.changed(job.id);
}

void Jobs::on_first_reads() {
  alignas(inotify_event) char buffer[4096];
  for (;;) {
    const ssize_t size = ::read(first_reads_.get(), buffer, sizeof buffer);
    if (size <= 0) return;
    const Nanos now = monotonic_now();
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      // IN_IGNORED follows each event of a ONESHOT, and each watch whose payload is gone.
      if ((event.mask & IN_ACCESS) == 0) continue;
      if (by_watch_.contains(event.wd)) first_read(event.wd, now);
      else if (launching_ > 0) early_reads_[event.wd] = now;  // its launch is not reported yet
    }
  }
}

void Jobs::first_read(int watch, Nanos at) {
  const std::string id = by_watch_.extract(watch).mapped();
  if (Job* job = find(id)) job->first_read_watch = -1;
  parts_.table.initialised(id, InitialisedBy::FirstRead, at);
  told_.changed(id);
}

void Jobs::on_stderr(Job& job) { after_stderr(job, job.errors->read(monotonic_now())); }

void Jobs::after_stderr(Job& job, StderrRelay::Next next) {
  const bool waits = dropping_.contains(job.id);
  if (next == StderrRelay::Next::Interval) {
    if (waits) return;
    if (dropping_.empty()) drop_due_ = monotonic_now() + kDropInterval;
    dropping_.insert(job.id);
    // Not change(..., 0): a hang-up would be reported again and again.
    return parts_.loop.forget(job.errors->fd());
  }
  if (next == StderrRelay::Next::Readable && waits) {
    auto done = parts_.loop.watch(job.errors->fd(), EPOLLIN,
                                  [this, &job](std::uint32_t) { on_stderr(job); });
    if (!done) next = StderrRelay::Next::Closed;
  }
  if (waits) dropping_.erase(job.id);
  if (next == StderrRelay::Next::Closed && !waits) parts_.loop.forget(job.errors->fd());
}

void Jobs::on_events(Job& job) {
  const auto events = read_events(job.events.get());
  if (!events) return;
  parts_.table.set_frozen(job.id, events->frozen.value_or(false), monotonic_now());
  end_when_empty(job);
}

void Jobs::reap() {
  for (;;) {
    siginfo_t seen{};
    if (::waitid(P_ALL, 0, &seen, WEXITED | WNOHANG | WNOWAIT) < 0 || seen.si_pid == 0) return;
    // A child whose launch has not been reported yet: launched() calls us again.
    if (parts_.cloner.in_flight(seen.si_pid)) return;
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(seen.si_pid), &info, WEXITED | WNOHANG) < 0) return;
    const auto found = by_pid_.find(seen.si_pid);
    if (found == by_pid_.end()) continue;  // an orphan of a job: we are its subreaper
    const std::string id = found->second;
    by_pid_.erase(found);
    crash_point("launcher.after_reap");
    if (Job* job = find(id))
      main_exited(*job, MainExit{info.si_code != CLD_EXITED, info.si_status});
  }
}

void Jobs::main_exited(Job& job, MainExit exit) {
  const Nanos now = monotonic_now();
  // What it said before it went.
  if (job.stdio.status) on_status(job);
  if (job.stdio.ready_read) on_ready(job, now);
  on_first_reads();
  parts_.table.main_exited(job.id, exit, now);
  job.main_exited = true;
  end_when_empty(job);
  if (job.ending) return;
  told_.changed(job.id);
  kill(job);  // the rest of the leaf
}

/// The leaf is empty: its usage is read, by a worker, and then the job has ended.
void Jobs::end_when_empty(Job& job) {
  if (!job.main_exited || job.ending) return;
  const auto events = read_events(job.events.get());
  if (!events || events->populated.value_or(true)) return;
  job.ending = true;
  const JobRecord& record = *parts_.table.find(job.id);
  const std::uint64_t result_max = record.spec.result_max;
  const bool killed = record.signal != 0;
  auto kept = std::make_shared<KeptResult>();
  kept->file = std::move(job.stdio.result);
  readers_->run([this, id = job.id, leaf = job.leaf, kept, result_max, killed] {
    JobUsage usage = read_usage(*leaf, killed);
    if (kept->file) usage.result_offset = result_offset(kept->file);
    if (usage.result_offset == 0 || usage.result_offset > result_max) {
      kept->file.reset();
    } else if (usage.result_offset <= kSmallResult) {
      kept->bytes.resize(usage.result_offset);
      const ssize_t size = ::pread(kept->file.get(), kept->bytes.data(), kept->bytes.size(), 0);
      kept->bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
      kept->file.reset();
    }
    parts_.loop.post([this, id, usage, kept] { emptied(id, usage, kept); });
  });
}

void Jobs::emptied(const std::string& id, const JobUsage& usage,
                   std::shared_ptr<KeptResult> result) {
  Job& job = *jobs_.at(id);
  const Nanos now = monotonic_now();
  if (job.errors) {
    parts_.loop.forget(job.errors->fd());
    job.errors->finish(now);
    parts_.table.stderr_counted(id, job.errors->bytes(), job.errors->dropped());
  }
  dropping_.erase(id);
  const std::uint32_t uid = parts_.table.find(id)->uid;
  results_[id] = std::move(*result);
  parts_.table.emptied(id, usage, now);
  crash_point("launcher.before_ended_event");
  told_.changed(id);
  crash_point("launcher.after_ended_event");
  if (job.first_read_watch >= 0) by_watch_.erase(job.first_read_watch);
  if (job.stdio.status) parts_.loop.forget(job.stdio.status.get());
  if (job.stdio.ready_read) parts_.loop.forget(job.stdio.ready_read.get());
  parts_.loop.forget(job.events.get());
  ended_.push_back({std::move(jobs_.extract(id).mapped()), uid, now + kBreath});
}

/// Hands the leaf back, closes what the job had.
void Jobs::clean_up(Ended& ended) {
  Job& job = *ended.job;
  if (job.first_read_watch >= 0)
    (void)::inotify_rm_watch(first_reads_.get(), job.first_read_watch);
  parts_.leaves.remove(job.leaf, [this, uid = ended.uid] {
    parts_.loop.post([this, uid] { parts_.table.free_uid(uid); });
  });
  const std::string directory = job.leaf->path.substr(0, job.leaf->path.rfind('/'));
  refills_.erase(directory);
  parts_.leaves.refill(directory);
  // Nobody but us can enter it any more, so the uid need not wait for this.
  auto spaces = std::make_shared<std::vector<Fd>>(std::move(job.namespaces));
  closers_->run([spaces] { spaces->clear(); });
}

void Jobs::clean_up() {
  while (!ended_.empty()) {
    clean_up(ended_.front());
    ended_.pop_front();
  }
}

void Jobs::adopt_lost(const std::string& id, Leaf leaf) {
  auto job = std::make_unique<Job>(id, std::make_shared<const Leaf>(std::move(leaf)));
  if (!job->events) return log_line(LogLevel::Error, "cannot follow %s", job->leaf->path.c_str());
  job->main_exited = true;
  Job& kept = *(jobs_[id] = std::move(job));
  follow(kept);
  kill(kept);
  end_when_empty(kept);
}

Result<Fd> Jobs::result(const std::string& id) {
  const auto found = results_.find(id);
  if (found != results_.end() && found->second.file) return reopen_read_only(found->second.file);
  auto copy = sealed_memfd("tariff-result",
                           found == results_.end() ? std::string() : found->second.bytes);
  if (!copy) return copy;
  return reopen_read_only(*copy);  // at its start
}

void Jobs::kill(const Job& job) {
  end_leaf(*enders_, job.leaf);
}

void Jobs::obey(const Order& order) {
  if (order.kind == Order::Kind::Drop) {
    results_.erase(order.id);
    told_.changed(order.id);  // the agent drops its copy of the record, too
    return;
  }
  Job* job = find(order.id);
  if (job == nullptr) return;
  switch (order.kind) {
    case Order::Kind::Terminate:
      told_.changed(order.id);
      enders_->run([leaf = job->leaf] { terminate_all(*leaf); });
      break;
    case Order::Kind::Kill:
      kill(*job);
      break;
    case Order::Kind::LookAtCpu:
      readers_->run([this, id = order.id, leaf = job->leaf] {
        const std::int64_t used = read_cpu_us(*leaf);
        parts_.loop.post([this, id, used] {
          if (find(id) != nullptr) parts_.table.cpu_used(id, used, monotonic_now());
        });
      });
      break;
    case Order::Kind::Drop: break;
  }
}

std::optional<Nanos> Jobs::next_due() const {
  auto due = parts_.table.next_due();
  const auto sooner = [&due](Nanos at) {
    if (!due || at < *due) due = at;
  };
  if (!dropping_.empty()) sooner(drop_due_);
  if (!jobs_.empty() && sample_due_ != 0) sooner(sample_due_);
  if (!ended_.empty()) sooner(ended_.front().due);
  for (const auto& [directory, at] : refills_) sooner(at);
  return due;
}

void Jobs::on_due(Nanos now) {
  for (const auto& order : parts_.table.take_due(now)) obey(order);
  if (!dropping_.empty() && now >= drop_due_) {
    drop_due_ = now + kDropInterval;
    const auto waiting = dropping_;
    for (const auto& id : waiting)
      if (Job* job = find(id)) after_stderr(*job, job->errors->read_and_drop(now));
  }
  if (sample_due_ != 0 && now >= sample_due_) sample_memory();
  for (; !ended_.empty() && now >= ended_.front().due; ended_.pop_front()) clean_up(ended_.front());
  std::erase_if(refills_, [&](const auto& item) {
    if (now < item.second) return false;
    parts_.leaves.refill(item.first);
    return true;
  });
}

void Jobs::sample_memory() {
  sample_interval_ = std::max(sample_interval_, kSampleInterval);
  sample_due_ = jobs_.empty() ? 0 : monotonic_now() + sample_interval_;
  if (jobs_.empty() || sampling_) return;
  sampling_ = true;
  struct Sample {
    std::string id;
    SharedLeaf leaf;
    std::int64_t bytes = -1;
    Nanos at = 0;
  };
  auto samples = std::make_shared<std::vector<Sample>>();
  for (const auto& [id, job] : jobs_)
    if (!job->main_exited) samples->push_back({id, job->leaf});
  readers_->run([this, samples] {
    for (auto& sample : *samples) {
      sample.bytes = read_memory_current(*sample.leaf);
      sample.at = monotonic_now();
    }
    parts_.loop.post([this, samples] {
      sampling_ = false;
      bool steady = true;
      for (const auto& sample : *samples)
        if (sample.bytes >= 0 && find(sample.id) != nullptr)
          steady &= parts_.table.memory_sample(
              sample.id, static_cast<std::uint64_t>(sample.bytes), sample.at);
      sample_interval_ = steady ? std::min(2 * sample_interval_, kLongestSampleInterval)
                                : kSampleInterval;
      if (sample_due_ != 0) sample_due_ = monotonic_now() + sample_interval_;
    });
  });
}

}  // namespace tariff::launcher
