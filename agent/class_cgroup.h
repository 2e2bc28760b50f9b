// SPDX-License-Identifier: Apache-2.0
// What the cgroup of a class says of its use, for the metrics page. Threading: any; a read may wait
// for a lock of the kernel's, so never on the agent's loop.
#pragma once

#include <string>

#include "agent/metrics_text.h"

namespace tariff::agent {

/// `directory`: absolute; empty gives zeroes, as does what cannot be read.
ClassCgroup read_class_cgroup(const std::string& directory);

}  // namespace tariff::agent
