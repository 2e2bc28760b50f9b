// SPDX-License-Identifier: Apache-2.0
#include "agent/host.h"

#include <unistd.h>

#include "agent/host_record.h"
#include "base/crash_point.h"

namespace tariff::agent {

HostRecord Host::recorded(Outcome& outcome) {
  auto earlier = read_host_record(path_);
  if (earlier) return std::move(*earlier);
  outcome.complaints.push_back(earlier.error().text());
  return {};
}

void Host::keep(Outcome& outcome) {
  if (auto written = write_host_record(path_, outcome.record); !written)
    outcome.complaints.push_back(written.error().text());
}

Host::Outcome Host::apply(const CpuPlan& plan) {
  Outcome outcome;
  outcome.record = recorded(outcome);
  auto& record = outcome.record;
  record.mode = mode_word(plan);
  record.system_cpus = cgroup::cpu_list(plan.system);
  record.class_cpus = cgroup::cpu_list(plan.classes);
  record.why = plan.why;
  record.refused.clear();
  std::vector<Wish> wishes;
  if (plan.reserved)
    for (auto& [knob, value] : knobs_.list(outcome.complaints))
      wishes.push_back({knob, value, value_for(knob, plan.system)});
  take_back(unwished(record.changes, wishes), outcome);
  const auto before = record.changes;
  record.changes = with_wishes(before, wishes);
  if (auto written = write_host_record(path_, record); !written) {
    // What cannot be recorded could not be undone: nothing is changed.
    record.changes = before;
    outcome.complaints.push_back(
        "nothing more is changed on the host, since it cannot be recorded: " +
        written.error().text());
    return outcome;
  }
  crash_point("agent.host_recorded");
  carry_out(wishes, before, outcome);
  if (!record.refused.empty()) keep(outcome);
  return outcome;
}

void Host::carry_out(const std::vector<Wish>& wishes, const std::vector<HostChange>& before,
                     Outcome& outcome) {
  auto& record = outcome.record;
  for (const auto& wish : wishes) {
    if (hurried_) return;
    if (same_value(wish.knob, wish.current, wish.wanted)) continue;
    const auto written = knobs_.write(wish.knob, wish.wanted);
    crash_point("agent.host_changed");
    if (written) continue;
    // Not answered in time may be done later; and what an earlier change did is still there.
    if (written.error().kind != ErrorKind::DeadlineExceeded) {
      drop_change(record.changes, wish.knob);
      if (const auto* old = find_change(before, wish.knob)) record.changes.push_back(*old);
    }
    record.refused.push_back({wish.knob, written.error().message});
    // The kernel's own refuse often, and it is known which; of systemd's units each is needed.
    if (wish.knob.what == "unit-property") outcome.complaints.push_back(written.error().text());
  }
}

void Host::take_back(const std::vector<HostChange>& changes, Outcome& outcome) {
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    if (hurried_) return;
    const auto current = knobs_.read(change->knob);
    const bool ours = current && same_value(change->knob, *current, change->now);
    Status undone = ok();
    if (!current && current.error().kind != ErrorKind::NotFound) undone = current.error();
    if (ours) undone = knobs_.write(change->knob, change->before);
    if (undone) drop_change(outcome.record.changes, change->knob);
    else outcome.complaints.push_back("cannot undo " + change->knob.what + " " +
                                      change->knob.target + ": " + undone.error().text());
  }
}

Host::Outcome Host::undo() {
  Outcome outcome;
  outcome.record = recorded(outcome);
  take_back(std::vector<HostChange>(outcome.record.changes), outcome);
  if (outcome.record.changes.empty()) (void)::unlink(path_.c_str());
  else keep(outcome);
  return outcome;
}

}  // namespace tariff::agent
