// SPDX-License-Identifier: Apache-2.0
// What the agent reads of its machine: memory, CPUs, who runs. Effects only; what it means is in
// agent/usage.h. A figure that cannot be read is zero (it is shown, not acted on).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/usage.h"
#include "base/fd.h"
#include "base/result.h"

namespace tariff::agent {

struct Memory {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
};
Memory read_memory();

/// memory.current of a cgroup, given its directory.
std::uint64_t read_memory_current(const std::string& directory);

int online_cpus();

/// State character of a process ('R', 'S', ...), 'S' when it is gone.
char read_process_state(int pid);

/// A sealed memfd that holds `bytes`: a job's payload.
Result<Fd> sealed_memfd(const std::string& name, std::string_view bytes);

/// `count` bytes from the start of a descriptor.
Result<std::string> read_exactly(int fd, std::size_t count);

/// Digest that tells two payloads apart when an id is repeated by mistake: length and 64-bit
/// FNV-1a. Not a defence against somebody who wants two payloads to look alike: they would only
/// get their own first result again.
std::string payload_digest(std::string_view payload);

}  // namespace tariff::agent
