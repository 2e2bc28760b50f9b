// SPDX-License-Identifier: Apache-2.0
// A job's standard files and channels, made before its clone.
//
//   0 stdin   the payload: the agent's sealed memfd, reopened (offset 0, read-only); else /dev/null
//   1 stdout  a memfd of a fixed, sealed size: the kernel bounds the result, its pages are charged
//             to the job, the launcher copies nothing while it runs. Length = where the shared
//             offset stands at the end. Inherited and dup()ed descriptors share it. A handler must
//             write to the descriptor it was given: reopening /dev/stdout for truncation or append
//             fails with EPERM (seals), and pwrite or lseek back do what they say.
//   2 stderr  a pipe to the launcher, which relays lines to the journal
//   3         a pipe: one byte means "initialised" (TARIFF_READY_FD=3)
//   4         the channel of tariff-exec, on which it gets its job and reports; closed by its exec
//
// The size is a multiple of the page, at least one byte more than result_max: a write beyond it
// fills the last page (the kernel copies page by page) and then fails with EPERM, so an offset
// beyond result_max proves the overrun whatever the sizes of the writes are.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "launcher/reserved_fds.h"

namespace tariff::launcher {

/// Our ends, and the job's ends (closed once it is cloned).
struct JobStdio {
  Fd result;        ///< the job's stdout and ours: one open file description
  Fd stderr_read;
  Fd ready_read;
  Fd status;

  Fd job_stdin;
  Fd job_stderr;
  Fd job_ready;
  Fd job_status;
};

/// What needs no job: stderr, marker, channel. The rest is empty.
Result<JobStdio> make_stdio();
/// What does: stdin and stdout. `payload` may be empty. Requires: result_max <= kLargestResult.
constexpr std::uint64_t kLargestResult = 64ULL << 20;
Status add_payload_and_result(JobStdio& stdio, const Fd& payload, std::uint64_t result_max);

/// Where the job's stdout stands.
std::uint64_t result_offset(const Fd& result);

/// A second descriptor on the same file: own offset 0, read-only.
Result<Fd> reopen_read_only(const Fd& file);

/// `bytes` in a sealed memfd.
Result<Fd> sealed_memfd(const char* name, const std::string& bytes);

}  // namespace tariff::launcher
