// SPDX-License-Identifier: Apache-2.0
// The version of a function: a digest of everything that decides what runs, so that an operator and
// the launcher can tell two registrations apart. It is an identity, not a signature. Pure.
#pragma once

#include <string>

#include "config/schema.h"

namespace tariff::config {

/// 16 hexadecimal digits of FNV-1a, 64 bits, over all fields but `version` and `source`, each with
/// its length in front (so that no two lists of fields read alike).
std::string function_version(const Function& function);

}  // namespace tariff::config
