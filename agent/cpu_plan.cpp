// SPDX-License-Identifier: Apache-2.0
#include "agent/cpu_plan.h"

#include <iterator>

namespace tariff::agent {
namespace {

std::string cpus_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " CPU" : " CPUs");
}

CpuPlan shared(const cgroup::CpuSet& all, std::string why) {
  return {false, all, all, std::move(why), {}};
}

/// Shared although reserved was asked for, or would have been chosen and once was.
CpuPlan not_reserved(const config::Cpus& wanted, const cgroup::CpuSet& all,
                     const std::string& why) {
  auto plan = shared(all, why);
  if (wanted.mode == config::CpuMode::Reserved)
    plan.warning = "cpus.mode is reserved, but the CPUs are shared: " + why;
  return plan;
}

}  // namespace

CpuPlan plan_cpus(const config::Cpus& wanted, const CpuSnapshot& snapshot) {
  auto all = snapshot.online;
  if (!snapshot.usable.empty()) all = cgroup::common(all, snapshot.usable);
  if (all.empty()) all = snapshot.online;  // nonsense from one of the two: use what runs
  if (wanted.mode == config::CpuMode::Shared) return shared(all, "cpus.mode is shared");
  if (!snapshot.has_cpuset)
    return not_reserved(wanted, all, "the cpuset controller is not there for the job tree");
  const auto reserve = static_cast<std::size_t>(wanted.reserved);
  if (all.size() <= reserve)
    return not_reserved(wanted, all,
                        "only " + cpus_text(all.size()) + " online; reserving " +
                            std::to_string(reserve) + " would leave none for jobs");
  const auto edge = std::next(all.begin(), static_cast<std::ptrdiff_t>(reserve));
  CpuPlan plan;
  plan.reserved = true;
  plan.system = {all.begin(), edge};
  plan.classes = {edge, all.end()};
  plan.why = cpus_text(all.size()) + " online, " + std::to_string(reserve) +
             " kept for the system (cpus.reserved)";
  return plan;
}

bool is_host_unit(std::string_view name) {
  if (name == "tariff.slice") return false;
  return name.ends_with(".slice") || name.ends_with(".scope") || name.ends_with(".service");
}

const char* mode_word(const CpuPlan& plan) { return plan.reserved ? "reserved" : "shared"; }

const std::vector<std::string>& own_services() {
  static const std::vector<std::string> kServices = {
      "tariffd.service", "tariff-launcher.service", "tariff-shutdown.service"};
  return kServices;
}

}  // namespace tariff::agent
