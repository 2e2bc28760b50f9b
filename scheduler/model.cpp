// SPDX-License-Identifier: Apache-2.0
#include "scheduler/model.h"

namespace tariff::scheduler {

std::optional<Refusal> refuses(const MachineReport& report, int rank,
                                      const RefusalLimits& limits) {
  if (limits.max_jobs_per_class && report.jobs.of(rank) >= *limits.max_jobs_per_class)
    return Refusal::TooManyJobs;
  if (report.suffers && *report.suffers >= rank) return Refusal::Pressure;
  return std::nullopt;
}

std::string_view word(Refusal refusal) {
  return refusal == Refusal::TooManyJobs ? "too many jobs of its class" : "memory pressure";
}

}  // namespace tariff::scheduler
