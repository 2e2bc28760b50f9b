// SPDX-License-Identifier: Apache-2.0
// A configuration as the YAML that is read back to it: what the agent keeps beside its socket, so
// that `tariffd --check-config --diff` compares a file with what really runs, which after a reload
// may be neither the old file nor the new one. Pure.
#pragma once

#include <string>

#include "config/schema.h"

namespace tariff::config {

/// Every setting, defaults too. parse_node_config() of it gives `node` again.
/// Requires: `node` came from a loader (ranks, priorities and texts are valid).
std::string to_yaml(const NodeConfig& node);

}  // namespace tariff::config
