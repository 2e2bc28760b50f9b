// SPDX-License-Identifier: Apache-2.0
#include "launcher/stderr_lines.h"

#include <algorithm>

namespace tariff::launcher {
namespace {

constexpr Nanos kSecond = 1'000'000'000;

}  // namespace

void LineSplitter::feed(std::string_view bytes, const Line& line) {
  while (!bytes.empty()) {
    const std::size_t room = kLongest - rest_.size();
    const std::size_t newline = bytes.substr(0, room + 1).find('\n');
    if (newline == bytes.npos && bytes.size() <= room) {
      rest_.append(bytes);
      return;
    }
    const std::size_t count = newline == bytes.npos ? room : newline;
    rest_.append(bytes.substr(0, count));
    bytes.remove_prefix(newline == bytes.npos ? count : count + 1);
    line(rest_);
    rest_.clear();
  }
}

void LineSplitter::flush(const Line& line) {
  if (rest_.empty()) return;
  line(rest_);
  rest_.clear();
}

TokenBucket::TokenBucket(std::uint64_t per_second, Nanos now)
    : per_second_(std::max<std::uint64_t>(per_second, 1)), tokens_(per_second_), filled_at_(now) {}

std::uint64_t TokenBucket::available(Nanos now) {
  const Nanos passed = std::clamp<Nanos>(now - filled_at_, 0, kSecond);
  __extension__ using Wide = unsigned __int128;  // per_second_ may be any 64-bit number
  const auto earned = static_cast<std::uint64_t>(static_cast<Wide>(per_second_) *
                                                 static_cast<Wide>(passed) / kSecond);
  if (earned == 0) return tokens_;  // keep the fraction of a byte: do not move filled_at_
  tokens_ = tokens_ + std::min(earned, per_second_ - tokens_);
  filled_at_ = now;
  return tokens_;
}

}  // namespace tariff::launcher
