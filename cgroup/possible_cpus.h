// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cgroup/cpu_set.h"

namespace tariff::cgroup {

/// Every CPU that this machine can ever have; empty if the kernel does not say.
///
/// What to write to a cpuset that is to allow every CPU again: one with tasks in or below it cannot
/// be emptied (ENOSPC, validate_change in kernel/cgroup/cpuset.c; measured on 6.1 and 6.12).
CpuSet possible_cpus();

}  // namespace tariff::cgroup
