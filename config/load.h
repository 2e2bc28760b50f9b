// SPDX-License-Identifier: Apache-2.0
// Reads /etc/tariff/tariffd.yaml and /etc/tariff/functions.d/*.yaml. A loader gives the value or
// everything that is wrong with it at once, over all files, with file, line and column
// (diagnostics.h). It never applies a part of a bad file. Unknown and duplicate keys are errors.
//
//   auto node = config::load_node_config("/etc/tariff/tariffd.yaml");
//   std::cerr << config::render(node.diagnostics);   // warnings may come with a value
//   if (!node.value) return 1;
//   auto functions = config::load_functions(node.value->functions_directory, *node.value);
//
// YAML:
//   tariffd.yaml     see etc/tariffd.yaml, which shows every key with its default
//   functions.d      functions: [ {name:, argv: [..], class:, owner:, env: {..},
//                    working_directory:, timeout:, cpu_timeout:, memory_max:, pids_max:,
//                    result_max:} ]
//
// Threading: no shared state. Errors: only diagnostics; nothing throws, nothing logs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/schema.h"

namespace tariff::config {

/// `value` is there exactly if no diagnostic is an error.
template <typename T>
struct [[nodiscard]] Loaded {
  std::optional<T> value;
  std::vector<Diagnostic> diagnostics;
};

/// A file's text and its name in messages.
struct NamedText {
  std::string text;
  std::string name;
};

/// Something wrong with a file that the configuration names under `key`.
struct FileProblem {
  std::string key;
  bool error = true;  ///< else a warning
  std::string message;
  std::string hint;
};

/// Looks into the files of the tls section; without it only their names are read.
using TlsCheck = std::function<std::vector<FileProblem>(const Tls&)>;

/// The node's configuration. Ranks and priorities are filled in; classes are sorted by rank.
Loaded<NodeConfig> load_node_config(const std::string& path, const TlsCheck& check = {});
Loaded<NodeConfig> parse_node_config(std::string_view text, const std::string& name,
                                     const TlsCheck& check = {});

/// All functions of the *.yaml files of a directory, files in the order of their names. Their
/// classes must be classes of `node`. A file that everybody may write is refused: what runs here is
/// what an administrator installed.
Loaded<std::vector<Function>> load_functions(const std::string& directory, const NodeConfig& node);
Loaded<std::vector<Function>> parse_functions(const std::vector<NamedText>& files,
                                              const NodeConfig& node);

/// At most this many files in a functions directory, and functions in all of them.
inline constexpr std::size_t kMaxFunctionFiles = 1'000;
inline constexpr std::size_t kMaxFunctions = 10'000;

}  // namespace tariff::config
