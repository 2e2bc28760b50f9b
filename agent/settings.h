// SPDX-License-Identifier: Apache-2.0
// Configuration and functions together, as the agent starts, checks and reloads them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/schema.h"

namespace tariff::agent {

struct Settings {
  config::NodeConfig config;
  std::map<std::string, config::Function> functions;
};

/// `value` is there exactly if there was no error; `report` holds errors and warnings as text for
/// people, empty if there were none.
struct LoadedSettings {
  std::optional<Settings> value;
  std::string report;
};

LoadedSettings load_settings(const std::string& config_path);

/// Where a running agent keeps the configuration that it runs, for --diff.
inline constexpr const char* kRunningConfig = "/run/tariff/tariffd.yaml.running";

}  // namespace tariff::agent
