// SPDX-License-Identifier: Apache-2.0
// Structured entries for journald, without ever waiting for it. Jobs at SCHED_FIFO can starve
// journald for seconds; sd_journal_sendv(3) would then block the loop of the very daemon that
// should act. So this speaks the documented datagram protocol
// (systemd.io/JOURNAL_NATIVE_PROTOCOL) on a non-blocking socket, and an entry that does not fit
// into journald's queue is refused at once: the caller counts it as dropped.
//
//   auto journal = systemd::Journal::open();
//   if (!journal->send({{"MESSAGE", "job ended"}, {"PRIORITY", "6"}, {"JOB_ID", id}})) ++dropped;
//
// Bounds: at most kMaxFields fields per entry; longer values are cut at kMaxValueBytes.
// Threading: send() from any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace tariff::systemd {

/// One field. Names are [A-Z][A-Z0-9_]{0,63}; journald ignores others. Values may be any bytes.
struct JournalField {
  std::string_view name;
  std::string_view value;
};

class Journal {
 public:
  static constexpr std::size_t kMaxFields = 32;
  /// journald's own LineMax= default, and three of them fit the default socket buffer (208 KiB).
  static constexpr std::size_t kMaxValueBytes = 48 * 1024;
  static constexpr std::string_view kSocket = "/run/systemd/journal/socket";

  /// A socket for sending; journald may come, go and return later.
  static Result<Journal> open(std::string_view socket_path = kSocket);

  /// One entry. ResourceExhausted: journald does not keep up; Unavailable: it is not there.
  /// InvalidArgument: a bad name, no field or too many.
  Status send(std::span<const JournalField> fields) const;
  Status send(std::initializer_list<JournalField> fields) const {
    return send(std::span(fields.begin(), fields.size()));
  }

 private:
  Journal(Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  Fd socket_;
  std::string path_;
};

/// The datagram for these fields (pure; for tests and for whoever has a socket of their own).
Result<std::string> encode_journal_entry(std::span<const JournalField> fields);

}  // namespace tariff::systemd
