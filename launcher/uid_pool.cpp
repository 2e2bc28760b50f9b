// SPDX-License-Identifier: Apache-2.0
#include "launcher/uid_pool.h"

namespace tariff::launcher {

void UidPool::set_range(std::uint32_t first, std::uint32_t count) {
  if (first == first_ && count == count_) return;  // a repeated configuration starts no new round
  first_ = first;
  count_ = count;
  next_ = 0;
}

std::optional<std::uint32_t> UidPool::take() {
  for (std::uint32_t tried = 0; tried < count_; ++tried) {
    const std::uint32_t uid = first_ + next_;
    next_ = (next_ + 1) % count_;
    if (used_.insert(uid).second) return uid;
  }
  return std::nullopt;
}

}  // namespace tariff::launcher
