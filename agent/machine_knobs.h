// SPDX-License-Identifier: Apache-2.0
// The knobs of the real machine (agent/host.h), by kind:
//   unit-property  "system.slice AllowedCPUs": every slice, scope and service directly below the
//                  cgroup root but tariff.slice, those of systemd even before they are started, and
//                  our own services; through systemd only
//   workqueue      "cpumask" and "NAME/cpumask" below /sys/devices/virtual/workqueue
//   irq            "24": /proc/irq/24/smp_affinity_list; "default": /proc/irq/default_smp_affinity
//   kthread        "55 kswapd0": affinity of a kernel thread that may be moved
// Left alone: kernel threads that the kernel binds (PF_NO_SETAFFINITY: per CPU, and workers, which
// follow their work queue) and threaded interrupts (they follow their interrupt, and at FIFO 50
// they outrank every job). Blocks: for the agent's worker thread, or a program of its own.
#pragma once

#include <string>
#include <vector>

#include "agent/cpu_plan.h"
#include "agent/host.h"
#include "agent/systemd_link.h"

namespace tariff::agent {

class MachineKnobs final : public HostKnobs {
 public:
  explicit MachineKnobs(SystemdLink& systemd) : systemd_(systemd) {}

  std::vector<Reading> list(std::vector<std::string>& complaints) override;
  Result<std::string> read(const Knob& knob) override;
  Status write(const Knob& knob, const std::string& value) override;

 private:
  void list_units(std::vector<Reading>& out, std::vector<std::string>& complaints);

  SystemdLink& systemd_;
};

/// The CPUs as the kernel shows them now; `tree` is the job tree's cgroup. What cannot be read is
/// left out.
CpuSnapshot read_cpus(const std::string& tree);

/// What has been done to the share of the CPU that ordinary processes get behind SCHED_FIFO (RT
/// throttling before 6.12, the fair server since): a sentence for each that somebody switched off.
std::vector<std::string> starvation_warnings();

}  // namespace tariff::agent
