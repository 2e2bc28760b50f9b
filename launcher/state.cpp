// SPDX-License-Identifier: Apache-2.0
#include "launcher/state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/messages.h"
#include "launcher/protocol_version.h"
#include "launcher/reserved_fds.h"

namespace tariff::launcher {
namespace {

using Length = std::uint32_t;

Error not_understood(const std::string& why) {
  return Error{ErrorKind::FailedPrecondition, "the launcher's state is not understood: " + why, {}};
}

/// One entry at `at`, which moves behind it.
Result<state::Entry> read_entry(int file, off_t size, off_t& at) {
  Length length = 0;
  if (::pread(file, &length, sizeof length, at) != sizeof length) return not_understood("cut off");
  at += static_cast<off_t>(sizeof length);
  if (length > size - at) return not_understood("cut off");
  std::string bytes(length, '\0');
  if (::pread(file, bytes.data(), length, at) != static_cast<ssize_t>(length))
    return errno_error("cannot read the launcher's state", errno);
  at += length;
  state::Entry entry;
  if (!entry.ParseFromString(bytes)) return not_understood("a broken entry");
  if (entry.kind_case() == state::Entry::KIND_NOT_SET)
    return not_understood("an entry of an unknown kind");
  return entry;
}

}  // namespace

Result<StateWriter> StateWriter::start() {
  StateWriter writer;
  writer.file_ = Fd::adopt(::memfd_create("tariff-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!writer.file_) return errno_error("cannot make a memfd for the launcher's state", errno);
  return writer;
}

void StateWriter::add(const state::Entry& entry) {
  const std::string bytes = entry.SerializeAsString();
  const auto length = static_cast<Length>(bytes.size());
  const std::string both = std::string(reinterpret_cast<const char*>(&length), sizeof length) +
                           bytes;
  const ssize_t written = error_ == 0 ? ::write(file_.get(), both.data(), both.size()) : -1;
  if (error_ == 0 && written != static_cast<ssize_t>(both.size()))
    error_ = written < 0 ? errno : ENOSPC;
}

std::uint32_t StateWriter::hand_over(const Fd& fd) {
  if (!fd) return 0;
  named_.push_back(fd.get());
  return static_cast<std::uint32_t>(fd.get());
}

Status StateWriter::finish() {
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (error_ != 0) return errno_error("cannot write the launcher's state", error_);
  if (::fcntl(file_.get(), F_ADD_SEALS, kSeals) < 0)
    return errno_error("cannot seal the launcher's state", errno);
  named_.push_back(file_.get());
  return ok();
}

void StateWriter::set_inherited(bool inherited) const {
  for (const int fd : named_) (void)::fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

Status read_state(int file, const std::function<void(const state::Entry&)>& each) {
  struct stat info {};
  if (::fstat(file, &info) < 0) return errno_error("cannot read the launcher's state", errno);
  for (off_t at = 0; at == 0 || at < info.st_size;) {
    const bool first = at == 0;
    auto entry = read_entry(file, info.st_size, at);
    if (!entry) return std::move(entry).error();
    if (first != entry->has_head()) return not_understood("its head is not where it belongs");
    const std::uint32_t version = entry->head().version();
    if (first && !agree(kState, {version, version}))
      return not_understood("it is of version " + std::to_string(version) + ", this program (" +
                            TARIFF_VERSION + ") reads " + std::to_string(kState.oldest) + ".." +
                            std::to_string(kState.newest));
    each(*entry);
  }
  return ok();
}

Fd take_over(std::uint32_t number) {
  const int fd = static_cast<int>(number);
  if (number == 0) return {};
  if (fd >= kReservedFds) {
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return Fd::adopt(fd);
  }
  Fd moved = Fd::adopt(::fcntl(fd, F_DUPFD_CLOEXEC, kReservedFds));
  (void)::dup3(0, fd, O_CLOEXEC);  // reserved: it must not be given to anything else
  return moved;
}

void fill(state::Job& message, const JobTable::Job& job) {
  const JobSpec& spec = job.record.spec;
  fill(*message.mutable_record(), job.record);
  message.set_deadline_ns(spec.deadline);
  message.set_timeout_ns(spec.timeout);
  message.set_cpu_timeout_ns(spec.cpu_timeout);
  message.set_memory_max(spec.memory_max);
  message.set_result_max(spec.result_max);
  message.set_terminated(job.terminated);
  if (job.kill_at) message.set_kill_at_ns(*job.kill_at);
  if (job.cpu_look_at) message.set_cpu_look_at_ns(*job.cpu_look_at);
  if (job.frozen_since) message.set_frozen_since_ns(*job.frozen_since);
  message.set_frozen_before_run_ns(job.frozen_before_run);
  if (job.drop_at) message.set_drop_at_ns(*job.drop_at);
  if (job.sampled_at) message.set_sampled_at_ns(*job.sampled_at);
  message.set_sampled_bytes(job.sampled_bytes);
}

JobTable::Job table_job_of(const state::Job& message) {
  JobTable::Job job;
  job.record = record_of(message.record());
  JobSpec& spec = job.record.spec;
  spec.deadline = message.deadline_ns();
  spec.timeout = message.timeout_ns();
  spec.cpu_timeout = message.cpu_timeout_ns();
  spec.memory_max = message.memory_max();
  spec.result_max = message.result_max();
  job.terminated = message.terminated();
  if (message.has_kill_at_ns()) job.kill_at = message.kill_at_ns();
  if (message.has_cpu_look_at_ns()) job.cpu_look_at = message.cpu_look_at_ns();
  if (message.has_frozen_since_ns()) job.frozen_since = message.frozen_since_ns();
  job.frozen_before_run = message.frozen_before_run_ns();
  if (message.has_drop_at_ns()) job.drop_at = message.drop_at_ns();
  if (message.has_sampled_at_ns()) job.sampled_at = message.sampled_at_ns();
  job.sampled_bytes = message.sampled_bytes();
  return job;
}

}  // namespace tariff::launcher
