// SPDX-License-Identifier: Apache-2.0
#include "agent/settings.h"

#include "agent/tls_files.h"
#include "config/load.h"

namespace tariff::agent {

LoadedSettings load_settings(const std::string& config_path) {
  auto config = config::load_node_config(config_path, check_tls);
  LoadedSettings result;
  result.report = config::render(config.diagnostics);
  if (!config.value) return result;
  auto functions = config::load_functions(config.value->functions_directory, *config.value);
  result.report += config::render(functions.diagnostics);
  if (!functions.value) return result;
  Settings settings{std::move(*config.value), {}};
  for (auto& function : *functions.value) {
    const std::string name = function.name;
    settings.functions.emplace(name, std::move(function));
  }
  result.value = std::move(settings);
  return result;
}

}  // namespace tariff::agent
