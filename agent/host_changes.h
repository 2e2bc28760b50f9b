// SPDX-License-Identifier: Apache-2.0
// What the agent has changed on the machine outside its own cgroups, with the values from before:
// the content of /run/tariff/host-changes.json, which `tariffctl doctor` shows and by which
// everything is undone. Pure; reading and writing the file is in agent/host_record.h.
//
// The rule: a change is in the record before it is made, with the value it had when Tariff first
// saw it. So an agent that dies at any instant leaves a record that undoes at least all that it
// did.
#pragma once

#include <string>
#include <vector>

#include "cgroup/cpu_set.h"

namespace tariff::agent {

/// Something of the machine that has a value; values are text as people and the kernel write it.
struct Knob {
  std::string what;    ///< "unit-property", "irq", "workqueue", "kthread"
  std::string target;  ///< "system.slice AllowedCPUs", "24", "default", "cpumask", "kswapd0 55"

  bool operator==(const Knob&) const = default;
};

struct HostChange {
  Knob knob;
  std::string before;
  std::string now;

  bool operator==(const HostChange&) const = default;
};

/// One that was tried and that the kernel or systemd refused.
struct HostRefusal {
  Knob knob;
  std::string why;

  bool operator==(const HostRefusal&) const = default;
};

struct HostRecord {
  std::vector<HostChange> changes;
  std::vector<HostRefusal> refused;
  std::string mode;         ///< "reserved" or "shared"
  std::string system_cpus;  ///< lists: "0,2-3"
  std::string class_cpus;
  std::string why;

  bool operator==(const HostRecord&) const = default;
};

/// A knob's value as it is now, and the one it is to have.
struct Wish {
  Knob knob;
  std::string current;
  std::string wanted;
};

/// What a knob says for a set of CPUs: a list, or a mask where the kernel wants one.
std::string value_for(const Knob& knob, const cgroup::CpuSet& cpus);

/// Whether two values of a knob mean the same CPUs, however they are written.
bool same_value(const Knob& knob, const std::string& a, const std::string& b);

/// The record to write before the wishes are carried out: what is recorded already keeps its value
/// from before; what has its wanted value by itself is no change of ours. Entries of `earlier` that
/// nobody wishes any more are kept, for the caller to undo.
std::vector<HostChange> with_wishes(const std::vector<HostChange>& earlier,
                                    const std::vector<Wish>& wishes);

/// Entries of `earlier` that no wish names: to be undone.
std::vector<HostChange> unwished(const std::vector<HostChange>& earlier,
                                 const std::vector<Wish>& wishes);

/// The entry of a knob, or null.
const HostChange* find_change(const std::vector<HostChange>& changes, const Knob& knob);

/// The same without the entry of that knob.
void drop_change(std::vector<HostChange>& changes, const Knob& knob);

}  // namespace tariff::agent
