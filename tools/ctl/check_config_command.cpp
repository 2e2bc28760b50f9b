// SPDX-License-Identifier: Apache-2.0
// check-config: the node's configuration and its functions, read with the agent's own loader; all
// that is wrong at once. It needs no agent.
#include "agent/settings.h"
#include "agent/tls_files.h"
#include "config/diff.h"
#include "config/load.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"

namespace tariff::ctl {
namespace {

struct Checked {
  std::vector<config::Diagnostic> diagnostics;  ///< of the file, then of the functions
  std::optional<config::NodeConfig> config;     ///< there if the file itself is fine
  std::size_t functions = 0;
};

Checked check(const std::string& file) {
  auto node = config::load_node_config(file, agent::check_tls);
  Checked checked{std::move(node.diagnostics), std::move(node.value), 0};
  if (!checked.config) return checked;
  auto functions =
      config::load_functions(checked.config->functions_directory, *checked.config);
  checked.diagnostics.insert(checked.diagnostics.end(), functions.diagnostics.begin(),
                             functions.diagnostics.end());
  if (functions.value) checked.functions = functions.value->size();
  return checked;
}

Json to_json(const std::vector<config::Diagnostic>& diagnostics) {
  Json list = Json::array();
  for (const config::Diagnostic& one : diagnostics)
    list.push_back({{"file", one.file},
                    {"line", one.line},
                    {"column", one.column},
                    {"severity", one.severity == config::Severity::Error ? "error" : "warning"},
                    {"message", one.message},
                    {"hint", one.hint},
                    {"source", one.source}});
  return list;
}

struct Comparison {
  bool with_running = false;  ///< else with the defaults
  std::vector<config::Change> changes;
};

/// The agent leaves a copy of what it runs; where none is running, the defaults are the measure.
Comparison compare(const config::NodeConfig& wanted) {
  auto running = config::load_node_config(agent::kRunningConfig);
  Comparison comparison;
  comparison.with_running = running.value.has_value();
  if (!comparison.with_running) running = config::parse_node_config("{}", "defaults");
  if (running.value) comparison.changes = config::diff(*running.value, wanted);
  return comparison;
}

std::string text_of(const Comparison& comparison) {
  const std::string title = comparison.with_running
                                ? "compared with what the agent runs:\n"
                                : "no agent runs here; compared with the defaults:\n";
  return title + (comparison.changes.empty() ? "nothing changes\n"
                                             : config::render(comparison.changes));
}

std::string when(config::Applies applies) {
  switch (applies) {
    case config::Applies::Now: return "now";
    case config::Applies::AgentRestart: return "agent_restart";
    case config::Applies::LauncherRestart: return "launcher_restart";
  }
  return "unknown";
}

Json to_json(const Comparison& comparison) {
  Json changes = Json::array();
  for (const config::Change& change : comparison.changes)
    changes.push_back({{"key", change.key},
                       {"before", change.before},
                       {"after", change.after},
                       {"applies", when(change.applies)}});
  return {{"with", comparison.with_running ? "running" : "defaults"},
          {"changes", std::move(changes)}};
}

}  // namespace

int check_config_command(const Globals& globals, const CheckConfigOptions& options) {
  const Checked checked = check(options.file);
  const bool good = checked.config && !config::has_errors(checked.diagnostics);
  Json json{{"file", options.file}, {"ok", good}, {"diagnostics", to_json(checked.diagnostics)}};
  std::string text;
  if (good) {
    json["classes"] = checked.config->classes.size();
    json["functions"] = checked.functions;
    text = options.file + ": " + std::to_string(checked.config->classes.size()) + " classes, " +
           std::to_string(checked.functions) + " functions, no errors\n";
    if (options.diff) {
      const Comparison comparison = compare(*checked.config);
      json["diff"] = to_json(comparison);
      text += text_of(comparison);
    }
  }
  if (!globals.json) print_error_text(config::render(checked.diagnostics));
  print(globals, json, text);
  return static_cast<int>(good ? Exit::Ok : Exit::Failed);
}

}  // namespace tariff::ctl
