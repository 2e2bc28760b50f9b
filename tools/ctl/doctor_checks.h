// SPDX-License-Identifier: Apache-2.0
// What is right and wrong with a machine, from facts: `tariffctl doctor`. Pure; tests/unit/ctl has
// a table of facts and findings. The numbers and claims come from docs/operator.md and, where
// kernels differ, were measured on Linux 6.1 and 6.12.
#pragma once

#include <string>
#include <vector>

#include "tools/ctl/doctor_facts.h"

namespace tariff::ctl {

enum class Verdict {
  Ok,
  Note,     ///< good to know
  Unknown,  ///< could not be read; usually for want of root
  Warning,  ///< it works, but not as well as it could
  Unfit,    ///< functions cannot be run here as promised
};

struct Finding {
  std::string topic;  ///< "cgroup v2", stable: scripts look for it
  Verdict verdict = Verdict::Ok;
  std::string found;
  std::string means;  ///< here; empty if `found` says all
  std::string todo;   ///< empty if there is nothing to do
};

using Findings = std::vector<Finding>;

// One function per subject; each adds its findings.
void check_kernel(const Facts& facts, Findings& out);
void check_cgroups(const Facts& facts, Findings& out);
void check_cpus(const Facts& facts, Findings& out);
void check_mode(const Facts& facts, Findings& out);
void check_host_changes(const Facts& facts, Findings& out);
void check_memory(const Facts& facts, Findings& out);
void check_daemons(const Facts& facts, Findings& out);
void check_accounts(const Facts& facts, Findings& out);

/// All of them, in this order.
Findings diagnose(const Facts& facts);

/// Not fit: a finding is Unfit, or `strict` and one is a warning.
bool fit(const Findings& findings, bool strict);

const char* word_of(Verdict verdict);  ///< "ok", "note", "unknown", "warning", "UNFIT"

}  // namespace tariff::ctl
