// SPDX-License-Identifier: Apache-2.0
#include "agent/class_cgroup.h"

#include <fcntl.h>

#include "base/fd.h"
#include "cgroup/parse.h"

namespace tariff::agent {
namespace {

std::uint64_t number_in(const Fd& directory, const std::string& file) {
  const auto text = read_file_at(directory.get(), file);
  if (!text) return 0;
  const auto value = cgroup::parse_number(*text, file);
  return value ? *value : 0;
}

std::chrono::microseconds pressure_in(const Fd& directory, const std::string& file) {
  const auto text = read_file_at(directory.get(), file);
  if (!text) return {};
  const auto pressure = cgroup::parse_pressure(*text, file);
  return pressure && pressure->some ? pressure->some->total : std::chrono::microseconds{0};
}

}  // namespace

ClassCgroup read_class_cgroup(const std::string& directory) {
  ClassCgroup out;
  if (directory.empty()) return out;
  const auto opened = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return out;
  if (const auto text = read_file_at(opened->get(), "cpu.stat"))
    if (const auto stat = cgroup::parse_cpu_stat(*text)) out.cpu = stat->usage.value_or(out.cpu);
  out.cpu_pressure = pressure_in(*opened, "cpu.pressure");
  out.memory_pressure = pressure_in(*opened, "memory.pressure");
  out.memory_bytes = number_in(*opened, "memory.current");
  out.swap_bytes = number_in(*opened, "memory.swap.current");
  return out;
}

}  // namespace tariff::agent
