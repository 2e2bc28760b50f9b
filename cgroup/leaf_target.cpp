// SPDX-License-Identifier: Apache-2.0
// The kernel's side of cgroup/boost.h.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "cgroup/boost.h"
#include "cgroup/parse.h"

namespace tariff::cgroup {
namespace {

constexpr const char* kMark = "trusted.tariff.boosted";
constexpr std::size_t kLongestMark = 256;
constexpr std::string_view kMount = "/sys/fs/cgroup";
constexpr std::uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK

// sched_setattr(2), first published version: glibc before 2.41 has no declaration, later ones have,
// and linux/sched/types.h collides with those.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

}  // namespace

Result<BoostTarget::State> LeafTarget::state() {
  if (!events_) {
    auto opened = open_at(directory_, "cgroup.events", O_RDONLY);
    if (!opened) return std::move(opened).error();
    events_ = std::move(*opened);
  }
  char buffer[256];
  const ssize_t size = ::pread(events_.get(), buffer, sizeof buffer, 0);
  if (size < 0) return errno_error("cannot read cgroup.events", errno);
  auto events =
      parse_cgroup_events(std::string_view(buffer, static_cast<std::size_t>(size)));
  if (!events) return std::move(events).error();
  return State{events->frozen.value_or(false), events->populated.value_or(true)};
}

Result<std::vector<int>> LeafTarget::tasks() {
  auto text = read_file_at(directory_, "cgroup.threads");
  if (!text) return std::move(text).error();
  return parse_ids(*text, "cgroup.threads");
}

std::optional<Scheduling> read_scheduling(int tid) {
  Attributes attributes;
  if (::syscall(SYS_sched_getattr, tid, &attributes, sizeof attributes, 0) < 0)
    return std::nullopt;
  return Scheduling{static_cast<int>(attributes.policy), static_cast<int>(attributes.priority),
                    attributes.nice, (attributes.flags & kResetOnFork) != 0};
}

bool write_scheduling(int tid, const Scheduling& scheduling) {
  Attributes attributes;
  attributes.policy = static_cast<std::uint32_t>(scheduling.policy);
  attributes.priority = static_cast<std::uint32_t>(scheduling.priority);
  attributes.nice = scheduling.nice;
  attributes.flags = scheduling.reset_on_fork ? kResetOnFork : 0;
  return ::syscall(SYS_sched_setattr, tid, &attributes, 0) == 0;
}

std::optional<Scheduling> LeafTarget::scheduling(int tid) { return read_scheduling(tid); }

bool LeafTarget::set(int tid, const Scheduling& scheduling) {
  return write_scheduling(tid, scheduling);
}

bool LeafTarget::stranger(int tid) {
  auto text = read_file_at(AT_FDCWD, "/proc/" + std::to_string(tid) + "/cgroup");
  if (!text) return false;  // nobody's
  if (path_.empty()) {
    char link[4096];
    const std::string name = "/proc/self/fd/" + std::to_string(directory_);
    const ssize_t size = ::readlink(name.c_str(), link, sizeof link);
    std::string_view whole(link, size > 0 ? static_cast<std::size_t>(size) : 0);
    if (whole.starts_with(kMount)) whole.remove_prefix(kMount.size());
    path_ = whole;
  }
  const auto path = parse_process_cgroup(*text);
  return path && *path != path_;
}

bool LeafTarget::doomed(int tid) {
  const std::string folder = "/proc/" + std::to_string(tid);
  const auto status = read_file_at(AT_FDCWD, folder + "/status");
  const auto stat = read_file_at(AT_FDCWD, folder + "/stat");
  return status && stat && cgroup::doomed(parse_task_fate(*status, *stat));
}

Status LeafTarget::request(BoostGoal goal) {
  const char* file = goal == BoostGoal::Freeze ? "cgroup.freeze" : "cgroup.kill";
  return write_file_at(directory_, file, "1");
}

Status LeafTarget::withdraw_freeze() {
  return write_file_at(directory_, "cgroup.freeze", "0");
}

Result<bool> LeafTarget::freeze_requested() {
  auto text = read_file_at(directory_, "cgroup.freeze");
  if (!text) return std::move(text).error();
  return text->starts_with("1");
}

Status LeafTarget::mark(const std::string& record) {
  if (::fsetxattr(directory_, kMark, record.data(), record.size(), 0) < 0)
    return errno_error("cannot record on the leaf that its job is raised", errno);
  return ok();
}

std::optional<std::string> LeafTarget::marked() {
  std::string text(kLongestMark, '\0');
  const ssize_t size = ::fgetxattr(directory_, kMark, text.data(), text.size());
  if (size < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(size));
  return text;
}

void LeafTarget::unmark() { (void)::fremovexattr(directory_, kMark); }

std::int64_t LeafTarget::now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

void LeafTarget::wait(std::int64_t nanoseconds) {
  const timespec pause{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  pollfd events{events_.get(), POLLPRI, 0};
  (void)::ppoll(&events, 1, &pause, nullptr);
}

}  // namespace tariff::cgroup
