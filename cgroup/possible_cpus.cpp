// SPDX-License-Identifier: Apache-2.0
#include "cgroup/possible_cpus.h"

#include <fcntl.h>

#include <utility>

#include "base/fd.h"

namespace tariff::cgroup {

CpuSet possible_cpus() {
  if (const auto text = read_file_at(AT_FDCWD, "/sys/devices/system/cpu/possible"))
    if (auto cpus = parse_cpu_list(*text)) return std::move(*cpus);
  return {};
}

}  // namespace tariff::cgroup
