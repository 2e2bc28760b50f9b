// SPDX-License-Identifier: Apache-2.0
// Jobs on their way into the next image of this process, and back.
#include "launcher/running_job.h"

namespace tariff::launcher {

bool Jobs::idle() {
  return launching_ == 0 && launchers_->idle() && readers_->idle() && enders_->idle() &&
         closers_->idle();
}

void Jobs::save(StateWriter& state) const {
  parts_.table.for_each_row([&](const JobTable::Job& row) {
    state::Entry entry;
    state::Job& message = *entry.mutable_job();
    fill(message, row);
    if (const auto job = jobs_.find(row.record.spec.id); job != jobs_.end())
      job->second->save(*message.mutable_followed(), state);
    if (const auto kept = results_.find(row.record.spec.id); kept != results_.end()) {
      message.set_result(kept->second.bytes);
      message.set_result_file(state.hand_over(kept->second.file));
    }
    state.add(entry);
  });
}

void Jobs::restore(const state::Job& saved) {
  const JobTable::Job row = table_job_of(saved);
  const std::string& id = row.record.spec.id;
  parts_.table.restore(row);
  if (row.record.state == JobState::Ended)
    results_[id] = KeptResult{saved.result(), take_over(saved.result_file())};
  if (!saved.has_followed()) return;
  Job& job = *(jobs_[id] = std::make_unique<Job>(id, saved.followed(), parts_.journal));
  job.main_exited = row.record.main_exited != 0;
  if (!job.main_exited) by_pid_[row.record.pid] = id;
  if (job.first_read_watch >= 0) by_watch_[job.first_read_watch] = id;
  sample_due_ = monotonic_now();
  follow(job);
  end_when_empty(job);
}

void Jobs::Job::save(state::Followed& message, StateWriter& state) const {
  message.set_handler_path(handler_path);
  message.mutable_leaf()->set_path(leaf->path);
  message.mutable_leaf()->set_directory(state.hand_over(leaf->directory));
  message.set_events(state.hand_over(events));
  message.set_result(state.hand_over(stdio.result));
  message.set_ready(state.hand_over(stdio.ready_read));
  message.set_status(state.hand_over(stdio.status));
  for (const Fd& space : namespaces) message.add_namespaces(state.hand_over(space));
  if (first_read_watch >= 0) message.set_first_read_watch(first_read_watch);
  if (errors) errors->save(*message.mutable_errors(), state);
}

Jobs::Job::Job(std::string job_id, const state::Followed& saved, Journal& journal)
    : id(std::move(job_id)), handler_path(saved.handler_path()),
      leaf(std::make_shared<const Leaf>(
          Leaf{saved.leaf().path(), take_over(saved.leaf().directory())})),
      events(take_over(saved.events())),
      first_read_watch(saved.has_first_read_watch() ? saved.first_read_watch() : -1) {
  stdio.result = take_over(saved.result());
  stdio.ready_read = take_over(saved.ready());
  stdio.status = take_over(saved.status());
  for (const auto number : saved.namespaces()) namespaces.push_back(take_over(number));
  if (saved.has_errors())
    errors = std::make_unique<StderrRelay>(saved.errors(), journal, monotonic_now());
}

}  // namespace tariff::launcher
