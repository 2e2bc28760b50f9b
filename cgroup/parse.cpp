// SPDX-License-Identifier: Apache-2.0
#include "cgroup/parse.h"

#include <array>
#include <limits>
#include <utility>

#include "base/text.h"

namespace tariff::cgroup {
namespace {

std::optional<Microseconds> whole_microseconds(std::string_view text) {
  const auto value = whole_number<std::uint64_t>(text);
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value || *value > kMost) return std::nullopt;
  return Microseconds(static_cast<std::int64_t>(*value));
}

/// Calls handle(key, value) for each "key value" line. handle returns false for a bad value.
template <typename Handle>
Status parse_keyed(std::string_view text, std::string_view file, char separator, Handle handle) {
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (line.empty()) continue;
    auto value = line;
    const auto key = take(value, separator);
    if (key.empty() || key.size() == line.size())
      return garbage(file, line, "no key and value");
    if (!handle(key, value)) return garbage(file, line, "no number");
  }
  return ok();
}

template <typename Struct>
using Field = std::pair<std::string_view, std::optional<std::uint64_t> Struct::*>;

/// A flat keyed file whose interesting rows are plain counts.
template <typename Struct, std::size_t N>
Result<Struct> parse_counts(std::string_view text, std::string_view file,
                            const std::array<Field<Struct>, N>& fields) {
  Struct out;
  auto status = parse_keyed(text, file, ' ', [&](auto key, auto value) {
    for (const auto& [name, member] : fields) {
      if (key != name) continue;
      out.*member = whole_number<std::uint64_t>(value);
      return (out.*member).has_value();
    }
    return true;
  });
  if (!status) return std::move(status).error();
  return out;
}

std::optional<PressureLine> parse_pressure_line(std::string_view rest) {
  PressureLine out;
  unsigned seen = 0;
  while (!rest.empty()) {
    auto value = take(rest, ' ');
    const auto key = take(value, '=');
    double* average = key == "avg10"    ? &out.avg10
                      : key == "avg60"  ? &out.avg60
                      : key == "avg300" ? &out.avg300
                                        : nullptr;
    if (average != nullptr) {
      const auto number = whole_number<double>(value);
      if (!number || !(*number >= 0 && *number <= 100)) return std::nullopt;
      *average = *number;
      ++seen;
    } else if (key == "total") {
      const auto total = whole_microseconds(value);
      if (!total) return std::nullopt;
      out.total = *total;
      ++seen;
    }
  }
  if (seen != 4) return std::nullopt;
  return out;
}

}  // namespace

Result<CpuStat> parse_cpu_stat(std::string_view text) {
  CpuStat out;
  auto status = parse_keyed(text, "cpu.stat", ' ', [&](auto key, auto value) {
    auto* field = key == "usage_usec"    ? &out.usage
                  : key == "user_usec"   ? &out.user
                  : key == "system_usec" ? &out.system
                                         : nullptr;
    if (field == nullptr) return true;
    *field = whole_microseconds(value);
    return field->has_value();
  });
  if (!status) return std::move(status).error();
  return out;
}

Result<Pressure> parse_pressure(std::string_view text, std::string_view file) {
  Pressure out;
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (line.empty()) continue;
    auto rest = line;
    const auto kind = take(rest, ' ');
    auto* field = kind == "some" ? &out.some : kind == "full" ? &out.full : nullptr;
    if (field == nullptr) return garbage(file, line, "neither 'some' nor 'full'");
    *field = parse_pressure_line(rest);
    if (!*field) return garbage(file, line, "no pressure figures");
  }
  return out;
}

Result<MemoryEvents> parse_memory_events(std::string_view text) {
  using E = MemoryEvents;
  static constexpr std::array<Field<E>, 6> kFields{{{"low", &E::low},
                                                    {"high", &E::high},
                                                    {"max", &E::max},
                                                    {"oom", &E::oom},
                                                    {"oom_kill", &E::oom_kill},
                                                    {"oom_group_kill", &E::oom_group_kill}}};
  return parse_counts(text, "memory.events", kFields);
}

Result<MemoryStat> parse_memory_stat(std::string_view text) {
  using S = MemoryStat;
  static constexpr std::array<Field<S>, 16> kFields{
      {{"anon", &S::anon},
       {"file", &S::file},
       {"kernel", &S::kernel},
       {"shmem", &S::shmem},
       {"file_mapped", &S::file_mapped},
       {"file_dirty", &S::file_dirty},
       {"swapcached", &S::swapcached},
       {"inactive_anon", &S::inactive_anon},
       {"active_anon", &S::active_anon},
       {"inactive_file", &S::inactive_file},
       {"active_file", &S::active_file},
       {"unevictable", &S::unevictable},
       {"pgfault", &S::pgfault},
       {"pgmajfault", &S::pgmajfault},
       {"workingset_refault_anon", &S::workingset_refault_anon},
       {"workingset_refault_file", &S::workingset_refault_file}}};
  return parse_counts(text, "memory.stat", kFields);
}

Result<CgroupEvents> parse_cgroup_events(std::string_view text) {
  CgroupEvents out;
  auto status = parse_keyed(text, "cgroup.events", ' ', [&](auto key, auto value) {
    auto* field = key == "populated" ? &out.populated : key == "frozen" ? &out.frozen : nullptr;
    if (field == nullptr) return true;
    if (value != "0" && value != "1") return false;
    *field = value == "1";
    return true;
  });
  if (!status) return std::move(status).error();
  return out;
}

Result<std::uint64_t> parse_number(std::string_view text, std::string_view file) {
  const auto value = whole_number<std::uint64_t>(trim(text));
  if (!value) return garbage(file, trim(text), "no number");
  return *value;
}

Result<std::optional<std::uint64_t>> parse_limit(std::string_view text, std::string_view file) {
  const auto word = trim(text);
  if (word == "max") return std::optional<std::uint64_t>{};
  const auto value = whole_number<std::uint64_t>(word);
  if (!value) return garbage(file, word, "neither a number nor 'max'");
  return value;
}

Result<std::vector<int>> parse_ids(std::string_view text, std::string_view file) {
  std::vector<int> out;
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (line.empty()) continue;
    const auto id = whole_number<int>(line);
    if (!id || *id < 0) return garbage(file, line, "no process id");
    out.push_back(*id);
  }
  return out;
}

std::vector<std::string> parse_controllers(std::string_view text) {
  std::vector<std::string> out;
  for (auto rest = trim(text); !rest.empty();) {
    const auto word = take(rest, ' ');
    if (!word.empty()) out.emplace_back(word);
  }
  return out;
}

Result<MemInfo> parse_meminfo(std::string_view text) {
  MemInfo out;
  auto status = parse_keyed(text, "/proc/meminfo", ':', [&](auto key, auto value) {
    auto* field = key == "MemTotal"       ? &out.total
                  : key == "MemFree"      ? &out.free
                  : key == "MemAvailable" ? &out.available
                  : key == "SwapTotal"    ? &out.swap_total
                  : key == "SwapFree"     ? &out.swap_free
                                          : nullptr;
    if (field == nullptr) return true;
    auto rest = trim(value);
    const auto kibibytes = whole_number<std::uint64_t>(take(rest, ' '));
    if (!kibibytes || rest != "kB" || *kibibytes > (UINT64_MAX >> 10)) return false;
    *field = *kibibytes << 10;
    return true;
  });
  if (!status) return std::move(status).error();
  return out;
}

Result<ProcessStat> parse_process_stat(std::string_view text) {
  constexpr std::string_view kFile = "/proc/PID/stat";
  const auto line = trim(text);
  const auto open = line.find('(');
  const auto close = line.rfind(')');  // the last one: the command may hold others
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return garbage(kFile, line, "no command in parentheses");

  ProcessStat out;
  out.command = line.substr(open + 1, close - open - 1);
  const auto pid = whole_number<int>(trim(line.substr(0, open)));
  if (!pid) return garbage(kFile, line, "no process id");
  out.pid = *pid;

  bool good = true;
  const auto store = [&good](auto& field, std::string_view word) {
    const auto value = whole_number<std::remove_reference_t<decltype(field)>>(word);
    good = good && value.has_value();
    field = value.value_or(0);
  };
  auto rest = trim(line.substr(close + 1));
  constexpr int kLast = 41;  // field numbers of proc(5): 3 is the state, 41 the policy
  int number = 3;
  for (; number <= kLast && !rest.empty(); ++number) {
    const auto word = take(rest, ' ');
    switch (number) {
      case 3: good = good && word.size() == 1; out.state = word.empty() ? '?' : word[0]; break;
      case 4: store(out.parent, word); break;
      case 9: store(out.flags, word); break;
      case 14: store(out.user_ticks, word); break;
      case 15: store(out.system_ticks, word); break;
      case 22: store(out.start_ticks, word); break;
      case 40: store(out.rt_priority, word); break;
      case 41: store(out.policy, word); break;
      default: break;
    }
  }
  if (number <= kLast) return garbage(kFile, line, "too few fields");
  if (!good) return garbage(kFile, line, "a field that is no number");
  return out;
}

Result<std::string> parse_process_cgroup(std::string_view text) {
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (line.starts_with("0::/")) return std::string(line.substr(3));
    auto rest = line;
    take(rest, ':');
    if (!line.empty() && rest.find(':') == std::string_view::npos)
      return garbage("/proc/PID/cgroup", line, "no hierarchy");
  }
  return Error{ErrorKind::NotFound, "/proc/PID/cgroup names no cgroup v2",
               "boot with the unified cgroup hierarchy"};
}

}  // namespace tariff::cgroup
