// SPDX-License-Identifier: Apache-2.0
#include "launcher/stdio.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "launcher/exec_job.h"

namespace tariff::launcher {
namespace {

constexpr int kAllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Result<Fd> make_result_file(std::uint64_t result_max) {
  Fd file = Fd::adopt(::memfd_create("tariff-result", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return errno_error("cannot make a file for the result", errno);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t size = (result_max / page + 1) * page;
  if (::ftruncate(file.get(), static_cast<off_t>(size)) < 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
    return errno_error("cannot bound the file for the result", errno);
  return file;
}

}  // namespace

Result<JobStdio> make_stdio() {
  JobStdio stdio;
  auto errors = make_pipe();
  auto ready = make_pipe();
  if (!errors) return std::move(errors).error();
  if (!ready) return std::move(ready).error();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    return errno_error("cannot make a trampoline's channel", errno);
  stdio.status = Fd::adopt(ends[0]);
  stdio.job_status = Fd::adopt(ends[1]);
  stdio.stderr_read = std::move(errors->read);
  stdio.job_stderr = std::move(errors->write);
  stdio.ready_read = std::move(ready->read);
  stdio.job_ready = std::move(ready->write);
  const int room = static_cast<int>(kLargestExecJob);
  (void)::setsockopt(stdio.status.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  // Our ends only: O_NONBLOCK on the job's would surprise its printf.
  (void)::fcntl(stdio.stderr_read.get(), F_SETFL, O_NONBLOCK);
  (void)::fcntl(stdio.ready_read.get(), F_SETFL, O_NONBLOCK);
  return stdio;
}

Status add_payload_and_result(JobStdio& stdio, const Fd& payload, std::uint64_t result_max) {
  auto input = payload ? reopen_read_only(payload) : open_at(AT_FDCWD, "/dev/null", O_RDONLY);
  if (!input) return std::move(input).error().context("making stdin");
  auto result = make_result_file(result_max);
  if (!result) return std::move(result).error();
  stdio.job_stdin = std::move(*input);
  stdio.result = std::move(*result);
  return ok();
}

std::uint64_t result_offset(const Fd& result) {
  const off_t offset = ::lseek(result.get(), 0, SEEK_CUR);
  return offset > 0 ? static_cast<std::uint64_t>(offset) : 0;
}

Result<Fd> reopen_read_only(const Fd& file) {
  return open_at(AT_FDCWD, "/proc/self/fd/" + std::to_string(file.get()), O_RDONLY);
}

Result<Fd> sealed_memfd(const char* name, const std::string& bytes) {
  Fd file = Fd::adopt(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return errno_error("cannot make a memfd", errno);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (count <= 0) return errno_error("cannot fill a memfd", errno);
    done += static_cast<std::size_t>(count);
  }
  if (::fcntl(file.get(), F_ADD_SEALS, kAllSeals) < 0)
    return errno_error("cannot seal a memfd", errno);
  return file;
}

}  // namespace tariff::launcher
