// SPDX-License-Identifier: Apache-2.0
#include "agent/records.h"

#include "agent/jobs.h"

namespace tariff::agent {
namespace {

v1::JobState api_state(launcher::State state) {
  switch (state) {
    case launcher::STATE_LAUNCHING: return v1::JOB_STATE_LAUNCHING;
    case launcher::STATE_WAITING: return v1::JOB_STATE_WAITING;
    case launcher::STATE_RUNNING: return v1::JOB_STATE_RUNNING;
    case launcher::STATE_ENDING: return v1::JOB_STATE_ENDING;
    case launcher::STATE_ENDED: return v1::JOB_STATE_ENDED;
    case launcher::STATE_EXPIRED: return v1::JOB_STATE_EXPIRED;
    default: return v1::JOB_STATE_UNKNOWN;
  }
}

}  // namespace

v1::Job api_job(const launcher::Record& record) {
  const auto since_accepted = [&](std::int64_t time_ns) {
    return time_ns == 0 ? 0 : std::max<std::int64_t>(time_ns - record.accepted_ns(), 1);
  };
  v1::Job job;
  job.set_id(record.id());
  job.set_function(record.function());
  job.set_function_version(record.function_version());
  job.set_owner(record.owner());
  job.set_class_asked(record.class_asked());
  job.set_class_run(record.class_run());
  job.set_class_billed(record.class_run());
  job.set_state(api_state(record.state()));
  job.set_accepted_unix_ns(record.accepted_unix_ns());
  job.set_launched_ns(since_accepted(record.launched_ns()));
  job.set_first_ran_ns(since_accepted(record.first_ran_ns()));
  job.set_initialised_ns(since_accepted(record.initialised_ns()));
  job.set_initialised_by(v1::Initialised_IsValid(static_cast<int>(record.initialised_by()))
                             ? static_cast<v1::Initialised>(record.initialised_by())
                             : v1::INITIALISED_UNKNOWN);
  job.set_main_exited_ns(since_accepted(record.main_exited_ns()));
  job.set_ended_ns(since_accepted(record.ended_ns()));
  // launcher.Reason and v1.EndReason share names and numbers (protocol.proto).
  job.set_end_reason(v1::EndReason_IsValid(record.reason())
                         ? static_cast<v1::EndReason>(record.reason())
                         : v1::END_REASON_NONE);
  job.set_exit_status(record.exit_status());
  job.set_signal(record.signal());
  job.set_message(record.message());
  job.set_cpu_us(record.cpu_us());
  job.set_cpu_pressure_us(record.cpu_pressure_us());
  job.set_memory_peak_bytes(record.memory_peak());
  job.set_memory_gb_seconds(gb_seconds_of(record));
  job.set_memory_estimated(record.memory_estimated());
  job.set_cost(cost_of(record).text());
  job.set_result_bytes(record.result_bytes());
  job.set_stderr_bytes(record.stderr_bytes());
  job.set_stderr_dropped_bytes(record.stderr_dropped_bytes());
  job.set_uid(record.uid());
  job.set_pid(record.pid());
  job.set_leaf(record.leaf());
  job.set_frozen_ns(record.frozen_ns());
  job.set_acknowledged(record.acknowledged());
  return job;
}

}  // namespace tariff::agent
