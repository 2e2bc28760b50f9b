// SPDX-License-Identifier: Apache-2.0
// Memory that a library has touched and left zero: libcgroup clears tables of 2.4 MB at its start,
// of which it uses a page or two, and in a process that locks its memory they stay for ever.
#pragma once

#include <cstddef>

namespace tariff::cgroup {

/// Gives back to the kernel those pages of the zero-initialised data of one program or library (the
/// one that contains `address`) that hold nothing but zeros; they read as zeros again. How many
/// bytes.
/// Requires: no other thread writes to that data meanwhile. Locked memory: Linux 5.18 or later.
std::size_t give_back_zero_pages(const void* address);

}  // namespace tariff::cgroup
