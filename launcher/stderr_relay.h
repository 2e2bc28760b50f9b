// SPDX-License-Identifier: Apache-2.0
// StderrRelay: one job's stderr, from its pipe to the journal, within a rate. Over the rate the
// pipe is left alone and thrown away at intervals (splice to /dev/null costs no copy), so that a
// flood costs the launcher a bounded number of calls and the job is slowed by its own pipe.
// Never blocks. Threading: the main thread.
#pragma once

#include "base/fd.h"
#include "launcher/journal.h"
#include "launcher/stderr_lines.h"

namespace tariff::launcher {

class StateWriter;
namespace state {
class Stderr;
}

class StderrRelay {
 public:
  enum class Next { Readable, Interval, Closed };  ///< when to call again

  StderrRelay(Fd pipe, Journal& journal, JournalFields fields, std::uint64_t bytes_per_second,
              Nanos now);

  /// As the image before this one saved it; the rate starts with a full second's worth.
  StderrRelay(const state::Stderr& saved, Journal& journal, Nanos now);
  void save(state::Stderr& message, StateWriter& state) const;

  [[nodiscard]] int fd() const { return pipe_.get(); }
  /// Reads what there is and what the rate allows.
  Next read(Nanos now);
  /// An interval after Next::Interval: throws away what the rate still does not allow.
  Next read_and_drop(Nanos now);
  /// The job is over: takes or drops the rest and reports what was dropped.
  void finish(Nanos now);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }      ///< all that was written
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }  ///< of them not relayed

 private:
  void relay(std::string_view line);
  bool drop_all();

  Fd pipe_;
  Journal& journal_;
  JournalFields fields_;
  LineSplitter lines_;
  TokenBucket bucket_;
  std::uint64_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool said_dropping_ = false;
};

}  // namespace tariff::launcher
