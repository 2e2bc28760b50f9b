// SPDX-License-Identifier: Apache-2.0
// Findings as people and scripts read them. Pure.
#pragma once

#include <string>

#include "tools/ctl/doctor_checks.h"
#include "tools/ctl/json_view.h"

namespace tariff::ctl {

/// `all`: also what is in order; else a line says how much that is.
std::string findings_text(const Findings& findings, bool fit, bool all);
Json findings_json(const Findings& findings, bool fit, const Facts& facts);

}  // namespace tariff::ctl
