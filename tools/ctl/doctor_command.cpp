// SPDX-License-Identifier: Apache-2.0
// doctor: what this machine has, lacks and what was changed on it. It needs no agent.
#include "tools/ctl/commands.h"
#include "tools/ctl/doctor_view.h"
#include "tools/ctl/failure.h"

namespace tariff::ctl {

int doctor_command(const Globals& globals, const DoctorOptions& options) {
  const Facts facts = read_facts(options.config);
  const Findings findings = diagnose(facts);
  const bool is_fit = fit(findings, options.strict);
  print(globals, findings_json(findings, is_fit, facts),
        findings_text(findings, is_fit, options.all));
  return static_cast<int>(is_fit ? Exit::Ok : Exit::Failed);
}

}  // namespace tariff::ctl
