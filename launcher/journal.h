// SPDX-License-Identifier: Apache-2.0
// Journal: lines of jobs to systemd-journald, in its native datagram protocol (one datagram per
// entry, systemd.io/JOURNAL_NATIVE_PROTOCOL). A thread of its own sends and may block; what it
// cannot send waits in a bounded queue, what does not fit there is dropped and counted. So a slow,
// stopped or absent journald never holds up a job or the main thread.
// Threading: push() from the main thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace tariff::launcher {

/// "JOB_ID=...\nCLASS=...\n...": shared by all lines of a job.
using JournalFields = std::shared_ptr<const std::string>;
JournalFields journal_fields(std::string_view id, std::string_view price_class,
                             std::string_view function);

/// One entry in the native protocol. `priority` as in syslog(3): 4 warning, 6 info.
std::string journal_entry(const std::string& fields, std::string_view line, int priority);

class Journal {
 public:
  static Result<Journal*> start(std::string socket = "/run/systemd/journal/socket");

  /// False: the queue is full, the line is dropped.
  bool push(const JournalFields& fields, std::string_view line, int priority);
  bool push(std::string entry);
  /// What waits. One that is being sent is among them: rather twice than never.
  std::deque<std::string> waiting();

 private:
  // About 250 of the longest lines; at the default 64 KiB/s of a job, some seconds of one flood.
  static constexpr std::size_t kQueueBytes = 1 << 20;
  explicit Journal(std::string socket) : path_(std::move(socket)) {}
  void send_next();

  const std::string path_;
  Fd socket_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> entries_;
  std::size_t queued_bytes_ = 0;
};

}  // namespace tariff::launcher
