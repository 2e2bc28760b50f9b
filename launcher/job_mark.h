// SPDX-License-Identifier: Apache-2.0
// Extended attributes of a leaf, which the kernel keeps when the launcher dies. "trusted": only
// root can read or write them.
#pragma once

namespace tariff::launcher {

/// The record of the job that the leaf was given to. Absent: none yet.
constexpr const char* kJobXattr = "trusted.tariff.job";
/// Set by the trampoline when it has the job, before the handler. Absent once the leaf is empty:
/// the handler has never run.
constexpr const char* kTakenXattr = "trusted.tariff.taken";

}  // namespace tariff::launcher
