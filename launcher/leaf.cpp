// SPDX-License-Identifier: Apache-2.0
#include "launcher/leaf.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "cgroup/boost.h"
#include "launcher/log.h"
#include "launcher/loop.h"

namespace tariff::launcher {
namespace {

constexpr const char* kJobXattr = "trusted.tariff.job";
constexpr std::size_t kLongestXattr = 65'536;  // XATTR_SIZE_MAX
// One turn of a leaf that is being ended: most jobs are dead after 1 to 6 ms.
constexpr Nanos kTurn = 10'000'000;
constexpr Nanos kLongestEnd = 30'000'000'000;

std::vector<int> ids_of(const Leaf& leaf, const char* file) {
  auto text = read_file_at(leaf.directory.get(), file);
  if (!text) return {};
  auto ids = cgroup::parse_ids(*text, file);
  return ids ? std::move(*ids) : std::vector<int>{};
}

/// These files are shorter than the buffer, and the kernel gives each by one read.
template <typename Parse>
auto parse_file(const Leaf& leaf, const char* file, Parse parse)
    -> decltype(parse(std::string_view())) {
  auto fd = open_at(leaf.directory.get(), file, O_RDONLY);
  if (!fd) return std::move(fd).error();
  char buffer[4096];
  const ssize_t size = ::read(fd->get(), buffer, sizeof buffer);
  if (size < 0) return errno_error("cannot read " + leaf.path + "/" + file, errno);
  return parse(std::string_view(buffer, static_cast<std::size_t>(size)));
}

std::int64_t read_number(const Leaf& leaf, const char* file) {
  const auto value = parse_file(leaf, file, [file](std::string_view text) {
    return cgroup::parse_number(text, file);
  });
  return value ? static_cast<std::int64_t>(*value) : -1;
}

void end_by_turns(Workers& workers, SharedLeaf leaf, Nanos since) {
  workers.run([&workers, leaf = std::move(leaf), since] {
    const Nanos start = since != 0 ? since : monotonic_now();
    auto empty = kill_all(*leaf, kTurn);
    if (!empty) return log_line(LogLevel::Error, "%s", empty.error().text().c_str());
    if (*empty) return;
    if (monotonic_now() - start < kLongestEnd) return end_by_turns(workers, leaf, start);
    log_line(LogLevel::Error, "%s does not end: is a process of it in uninterruptible sleep?",
             leaf->path.c_str());
  });
}

}  // namespace

Status set_limits(const Leaf& leaf, const LeafLimits& limits) {
  if (limits.memory_max != 0) {
    auto done = write_file_at(leaf.directory.get(), "memory.max",
                              std::to_string(limits.memory_max));
    if (!done) return std::move(done).error().context("limiting " + leaf.path);
  }
  if (limits.pids_max != 0) {
    auto done = write_file_at(leaf.directory.get(), "pids.max", std::to_string(limits.pids_max));
    if (!done) return std::move(done).error().context("limiting " + leaf.path);
  }
  return ok();
}

Status write_job_xattr(const Leaf& leaf, const std::string& bytes) {
  if (::fsetxattr(leaf.directory.get(), kJobXattr, bytes.data(), bytes.size(), 0) < 0)
    return errno_error("cannot mark " + leaf.path + " with its job", errno);
  return ok();
}

std::string read_job_xattr(const Leaf& leaf) {
  std::string bytes(kLongestXattr, '\0');
  const ssize_t size = ::fgetxattr(leaf.directory.get(), kJobXattr, bytes.data(), bytes.size());
  bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return bytes;
}

Result<cgroup::CgroupEvents> read_events(int events_fd) {
  char buffer[256];
  const ssize_t size = ::pread(events_fd, buffer, sizeof buffer, 0);
  if (size < 0) return errno_error("cannot read cgroup.events", errno);
  return cgroup::parse_cgroup_events(std::string_view(buffer, static_cast<std::size_t>(size)));
}

void terminate_all(const Leaf& leaf) {
  for (const int pid : ids_of(leaf, "cgroup.procs")) {
    const Fd process = Fd::adopt(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) continue;
    // The number may have been given to a stranger before it was opened: still in the leaf?
    const auto now = ids_of(leaf, "cgroup.procs");
    if (std::find(now.begin(), now.end(), pid) == now.end()) continue;
    (void)::syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0);
  }
  cgroup::LeafTarget target(leaf.directory.get());
  cgroup::BoostOptions options;
  options.level = kBoostPriority;
  auto hastened = cgroup::hasten(target, options);
  if (!hastened)
    log_line(LogLevel::Warning, "ending %s: %s", leaf.path.c_str(),
             hastened.error().text().c_str());
}

Result<bool> kill_all(const Leaf& leaf, Nanos patience) {
  cgroup::LeafTarget target(leaf.directory.get());
  cgroup::BoostOptions options;
  options.level = kBoostPriority;
  options.patience = patience;
  auto killed = cgroup::kill(target, options);
  if (!killed) return std::move(killed).error().context("ending " + leaf.path);
  return killed->reached;
}

void end_leaf(Workers& workers, SharedLeaf leaf) { end_by_turns(workers, std::move(leaf), 0); }

JobUsage read_usage(const Leaf& leaf, bool killed) {
  JobUsage usage;
  usage.cpu_us = std::max<std::int64_t>(read_cpu_us(leaf), 0);
  const auto pressure = parse_file(leaf, "cpu.pressure", [](std::string_view text) {
    return cgroup::parse_pressure(text, "cpu.pressure");
  });
  if (pressure && pressure->some) usage.cpu_pressure_us = pressure->some->total.count();
  usage.memory_peak =
      static_cast<std::uint64_t>(std::max<std::int64_t>(read_number(leaf, "memory.peak"), 0));
  if (!killed) return usage;  // memory.oom.group: the kernel kills all of a job or nothing
  const auto events = parse_file(leaf, "memory.events", cgroup::parse_memory_events);
  if (events) usage.oom_kills = events->oom_kill.value_or(0);
  return usage;
}

std::int64_t read_cpu_us(const Leaf& leaf) {
  const auto stat = parse_file(leaf, "cpu.stat", cgroup::parse_cpu_stat);
  return stat && stat->usage ? stat->usage->count() : -1;
}

std::int64_t read_memory_current(const Leaf& leaf) { return read_number(leaf, "memory.current"); }

}  // namespace tariff::launcher
