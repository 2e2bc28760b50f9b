// SPDX-License-Identifier: Apache-2.0
// Where doctor's facts come from; internal to read_facts().
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/ctl/doctor_facts.h"

namespace tariff::ctl {

/// A small file; empty if it cannot be read.
std::optional<std::string> text_of_file(const std::string& path);
/// The number a file begins with.
std::optional<std::int64_t> number_of(const std::string& path);

KernelFacts read_kernel();
ModeFacts read_mode();

std::optional<std::string> present_value(const HostChange& change);
/// False: somebody else has changed it since.
bool is_as_set(const HostChange& change);

/// The document that the agent keeps of its changes to the host, /run/tariff/host-changes.json:
/// {"mode", "why", "system_cpus", "class_cpus", "changes": [{"what","target","before","now"}]}.
/// Text that is no such document gives `known` false.
ModeFacts parse_mode(const std::string& text);

}  // namespace tariff::ctl
