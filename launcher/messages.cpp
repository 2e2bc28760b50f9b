// SPDX-License-Identifier: Apache-2.0
#include "launcher/messages.h"

#include <algorithm>

#include "launcher/stdio.h"

namespace tariff::launcher {
namespace {

constexpr std::size_t kLongestName = 64;  // of functions and classes (config/schema.h), tenants
constexpr std::uint32_t kDefaultNofile = 1'024;
constexpr int kHighestPriority = 49;      // below threaded IRQs (design: FIFO bands)

bool has_zero(const std::string& text) { return text.find('\0') != text.npos; }

bool bad_name(const std::string& name) {
  const auto printable = [](char c) { return c > ' ' && c < 127; };
  return name.empty() || name.size() > kLongestName ||
         !std::all_of(name.begin(), name.end(), printable);
}

/// One component or several, none of them a way out.
bool bad_directory(const std::string& path) {
  return path.empty() || path.front() == '/' || path.front() == '.' || has_zero(path) ||
         path.find("..") != path.npos;
}

}  // namespace

std::optional<std::string> objection_to(const Launch& launch) {
  if (!valid_job_id(launch.id())) return "the id is not 1..64 of [A-Za-z0-9._-]";
  if (bad_name(launch.function())) return "the function's name is not 1..64 printable characters";
  if (bad_name(launch.class_run())) return "the class's name is not 1..64 printable characters";
  if (launch.argv_size() == 0 || launch.argv(0).empty() || launch.argv(0)[0] != '/')
    return "argv[0] is not an absolute path";
  if (std::any_of(launch.argv().begin(), launch.argv().end(), has_zero) ||
      std::any_of(launch.env().begin(), launch.env().end(), has_zero))
    return "a zero byte in argv or env";
  if (launch.working_directory().empty() || launch.working_directory()[0] != '/' ||
      has_zero(launch.working_directory()))
    return "the working directory is not an absolute path";
  for (const auto& variable : launch.env())
    if (variable.find('=') == variable.npos || variable[0] == '=')
      return "\"" + variable + "\" in env is not NAME=value";
  if (launch.result_max() > kLargestResult)
    return "result_max is above " + std::to_string(kLargestResult);
  if (launch.timeout_ns() < 0 || launch.cpu_timeout_ns() < 0 || launch.deadline_ns() < 0)
    return "a negative time limit";
  return std::nullopt;
}

std::optional<std::string> objection_to(const Configure& configure) {
  if (configure.classes_size() == 0) return "no classes";
  for (const auto& setting : configure.classes()) {
    if (bad_name(setting.name())) return "a class without a proper name";
    if (bad_directory(setting.directory()))
      return "class " + setting.name() + ": its directory must be below the tree";
    if (setting.policy() == SCHED_POLICY_FIFO &&
        (setting.priority() < 1 || setting.priority() > kHighestPriority))
      return "class " + setting.name() + ": FIFO priority must be 1.." +
             std::to_string(kHighestPriority);
    if (setting.oom_score_adj() < -1000 || setting.oom_score_adj() > 1000)
      return "class " + setting.name() + ": oom_score_adj must be -1000..1000";
  }
  if (configure.uid_first() == 0 || configure.uid_count() == 0 ||
      configure.uid_first() > UINT32_MAX - 1 - configure.uid_count())
    return "the range of uids is empty, has root in it or is too large";
  if (!configure.tree().empty() && configure.tree()[0] != '/') return "tree is not absolute";
  return std::nullopt;
}

JobSpec spec_of(const Launch& launch) {
  JobSpec spec;
  spec.id = launch.id();
  spec.function = launch.function();
  spec.function_version = launch.function_version();
  spec.class_asked = launch.class_asked();
  spec.class_run = launch.class_run();
  spec.owner = launch.owner();
  spec.payload_digest = launch.payload_digest();
  spec.accepted = launch.accepted_ns();
  spec.accepted_unix_ns = launch.accepted_unix_ns();
  spec.deadline = launch.deadline_ns();
  spec.timeout = launch.timeout_ns();
  spec.cpu_timeout = launch.cpu_timeout_ns();
  spec.memory_max = launch.memory_max();
  spec.result_max = launch.result_max();
  spec.price_millionths = launch.price_millionths();
  spec.memory_price_millionths = launch.memory_price_millionths();
  return spec;
}

Handler handler_of(const Launch& launch) {
  Handler handler;
  handler.argv.assign(launch.argv().begin(), launch.argv().end());
  handler.env.assign(launch.env().begin(), launch.env().end());
  handler.env.push_back("TARIFF_READY_FD=" + std::to_string(kReadyFd));
  handler.working_directory = launch.working_directory();
  handler.pids_max = launch.pids_max();
  handler.nofile = launch.nofile() != 0 ? launch.nofile() : kDefaultNofile;
  handler.has_payload = launch.has_payload();
  return handler;
}

ClassRun class_of(const ClassSetting& setting) {
  ClassRun run;
  run.name = setting.name();
  run.directory = setting.directory();
  run.fifo = setting.policy() == SCHED_POLICY_FIFO;
  run.round_robin = run.fifo && setting.round_robin();
  run.priority = run.fifo ? static_cast<int>(setting.priority()) : 0;
  run.oom_score_adj = setting.oom_score_adj();
  return run;
}

JobTable::Settings settings_of(const Configure& configure, int cpus) {
  JobTable::Settings settings;  // 0 leaves the default
  if (configure.result_retention_ns() > 0) settings.retention = configure.result_retention_ns();
  if (configure.result_retention_bytes() > 0)
    settings.retention_bytes = configure.result_retention_bytes();
  if (configure.kill_grace_ns() > 0) settings.kill_grace = configure.kill_grace_ns();
  settings.uid_first = configure.uid_first();
  settings.uid_count = configure.uid_count();
  settings.cpus = std::max(cpus, 1);
  return settings;
}

void fill(Record& message, const JobRecord& record) {
  const JobSpec& spec = record.spec;
  message.set_id(spec.id);
  message.set_function(spec.function);
  message.set_function_version(spec.function_version);
  message.set_class_asked(spec.class_asked);
  message.set_class_run(spec.class_run);
  message.set_owner(spec.owner);
  message.set_payload_digest(spec.payload_digest);
  message.set_accepted_ns(spec.accepted);
  message.set_accepted_unix_ns(spec.accepted_unix_ns);
  message.set_price_millionths(spec.price_millionths);
  message.set_memory_price_millionths(spec.memory_price_millionths);
  message.set_state(static_cast<State>(record.state));
  message.set_launched_ns(record.launched);
  message.set_first_ran_ns(record.first_ran);
  message.set_initialised_ns(record.initialised);
  message.set_initialised_by(static_cast<std::uint32_t>(record.initialised_by));
  message.set_main_exited_ns(record.main_exited);
  message.set_ended_ns(record.ended);
  message.set_frozen_ns(record.frozen);
  message.set_reason(static_cast<Reason>(record.reason));
  message.set_exit_status(record.exit_status);
  message.set_signal(record.signal);
  message.set_message(record.message);
  message.set_cpu_us(record.cpu_us);
  message.set_cpu_pressure_us(record.cpu_pressure_us);
  message.set_memory_peak(record.memory_peak);
  message.set_memory_byte_us_high(static_cast<std::uint64_t>(record.memory_used >> 64));
  message.set_memory_byte_us_low(static_cast<std::uint64_t>(record.memory_used));
  message.set_memory_estimated(record.memory_estimated);
  message.set_result_bytes(record.result_bytes);
  message.set_stderr_bytes(record.stderr_bytes);
  message.set_stderr_dropped_bytes(record.stderr_dropped_bytes);
  message.set_uid(record.uid);
  message.set_pid(record.pid);
  message.set_leaf(record.leaf);
  message.set_acknowledged(record.acknowledged);
}

JobRecord record_of(const Record& message) {
  JobRecord record;
  record.spec.id = message.id();
  record.spec.function = message.function();
  record.spec.function_version = message.function_version();
  record.spec.class_asked = message.class_asked();
  record.spec.class_run = message.class_run();
  record.spec.owner = message.owner();
  record.spec.payload_digest = message.payload_digest();
  record.spec.accepted = message.accepted_ns();
  record.spec.accepted_unix_ns = message.accepted_unix_ns();
  record.spec.price_millionths = message.price_millionths();
  record.spec.memory_price_millionths = message.memory_price_millionths();
  record.state = static_cast<JobState>(message.state());
  record.launched = message.launched_ns();
  record.first_ran = message.first_ran_ns();
  record.initialised = message.initialised_ns();
  record.initialised_by = static_cast<InitialisedBy>(message.initialised_by());
  record.main_exited = message.main_exited_ns();
  record.ended = message.ended_ns();
  record.frozen = message.frozen_ns();
  record.reason = static_cast<EndReason>(message.reason());
  record.exit_status = message.exit_status();
  record.signal = message.signal();
  record.message = message.message();
  record.cpu_us = message.cpu_us();
  record.cpu_pressure_us = message.cpu_pressure_us();
  record.memory_peak = message.memory_peak();
  record.memory_used = (ByteMicroseconds{message.memory_byte_us_high()} << 64) |
                       message.memory_byte_us_low();
  record.memory_estimated = message.memory_estimated();
  record.result_bytes = message.result_bytes();
  record.stderr_bytes = message.stderr_bytes();
  record.stderr_dropped_bytes = message.stderr_dropped_bytes();
  record.uid = message.uid();
  record.pid = static_cast<int>(message.pid());
  record.leaf = message.leaf();
  record.acknowledged = message.acknowledged();
  return record;
}

}  // namespace tariff::launcher
