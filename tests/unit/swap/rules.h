// SPDX-License-Identifier: Apache-2.0
// What must hold of every decision, whatever the snapshot: written from the promises of the
// headers, not from the code.
#pragma once

#include <string>

#include "swap/policy.h"

namespace tariff::swap::test {

/// Empty, or the first rule that the decision breaks.
std::string broken_rule(const Snapshot& snapshot, const Settings& settings,
                        const Decision& decision);

}  // namespace tariff::swap::test
