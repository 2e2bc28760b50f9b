// SPDX-License-Identifier: Apache-2.0
// A profile: YAML that says what is simulated. Settings at the top hold for all its experiments,
// and an experiment may say any of them again. Three ship, built into the program: author, paper
// and tariff (sim/profiles; docs/simulation.md tells what they mean).
//
//   machines: {count: 100, cores: 8}
//   placement: {k: 5, idle_list: false}
//   experiments:
//     figure-4: {loads: {from: 120, to: 230, step: 10}, systems: [tariff, edf]}
//
// Times are in ticks (a tick is a second), memory in MB (10^6 bytes), speeds in MB a tick. Every
// error is reported at once with file, line and column, like tariffd.yaml's.
// Threading: pure but for load_profile, which reads the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sim/run.h"

namespace tariff::sim {

struct Experiment {
  std::string name;
  RunSettings settings;  ///< of each run, but for load, seed and system
  std::vector<std::uint32_t> loads;
  std::vector<System> systems;
};

struct Profile {
  std::string name;
  std::string description;
  std::vector<Experiment> experiments;

  [[nodiscard]] const Experiment* find(std::string_view experiment) const;
};

/// "placement.k" and "5": said last of all, so it holds for every experiment. A value may be
/// anything that YAML can say in one line.
using Setting = std::pair<std::string, std::string>;

/// A shipped profile's name or a path. The error's message is what a person should see.
Result<Profile> load_profile(const std::string& name_or_path,
                             const std::vector<Setting>& settings = {});
Result<Profile> parse_profile(const std::string& file, const std::string& text,
                              const std::vector<Setting>& settings);

/// The text of a shipped profile; empty: there is none of that name.
std::string_view shipped_profile(std::string_view name);

/// "placement.k=5" in two. Error: no "=" or no name.
Result<Setting> parse_setting(const std::string& text);

}  // namespace tariff::sim
