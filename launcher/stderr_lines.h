// SPDX-License-Identifier: Apache-2.0
// The pure half of relaying a job's stderr: cutting bytes into lines, and the rate at which a job
// may write to the journal. Pure: time is an argument (CLOCK_MONOTONIC nanoseconds).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "launcher/job_record.h"

namespace tariff::launcher {

/// Cuts a stream into lines without their newline. A line longer than kLongest comes in pieces, so
/// that a job which never ends its line costs bounded memory.
class LineSplitter {
 public:
  using Line = std::function<void(std::string_view)>;
  static constexpr std::size_t kLongest = 4'096;

  void feed(std::string_view bytes, const Line& line);
  /// What is left without a newline, at the end of the stream or before a gap in it.
  void flush(const Line& line);

  /// What has no newline yet.
  [[nodiscard]] const std::string& rest() const { return rest_; }
  void set_rest(std::string rest) { rest_ = std::move(rest); }

 private:
  std::string rest_;
};

/// Bytes per second with a burst of one second's worth. Starts full.
class TokenBucket {
 public:
  TokenBucket(std::uint64_t per_second, Nanos now);

  [[nodiscard]] std::uint64_t available(Nanos now);
  /// Requires: bytes <= available(now).
  void take(std::uint64_t bytes) { tokens_ -= bytes; }
  [[nodiscard]] std::uint64_t per_second() const { return per_second_; }

 private:
  std::uint64_t per_second_;
  std::uint64_t tokens_;
  Nanos filled_at_;
};

}  // namespace tariff::launcher
