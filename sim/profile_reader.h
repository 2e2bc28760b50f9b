// SPDX-License-Identifier: Apache-2.0
// The sections of a profile, each a map of YAML, into RunSettings. A section may be read several
// times; what it does not say stays.
// Threading: pure.
#pragma once

#include "config/document.h"
#include "sim/profile.h"

namespace tariff::sim {

/// All sections that `map` has; other keys are left to the caller.
void read_sections(const config::Value& map, RunSettings& out, config::Report& report);

/// seed, ticks, workload, machines, ...: the keys that read_sections() knows.
extern const std::vector<std::string_view> kSectionKeys;

/// A list of numbers, {from, to, step}, or one number.
std::vector<std::uint32_t> read_loads(const config::Value& value, config::Report& report);
std::vector<System> read_systems(const config::Value& value, config::Report& report);

}  // namespace tariff::sim
