// SPDX-License-Identifier: Apache-2.0
// UidPool: each job has a uid of its own until its leaf is removed. Round robin, so that a uid that
// was just freed is the last to be given again: whatever might still carry it has time to go.
// Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

namespace tariff::launcher {

class UidPool {
 public:
  /// The range [first, first + count). Uids in use outside of a new range stay in use.
  void set_range(std::uint32_t first, std::uint32_t count);

  /// A free uid, or nothing if all are in use.
  std::optional<std::uint32_t> take();
  /// Marks one as in use that an earlier launcher gave out.
  void keep(std::uint32_t uid) { used_.insert(uid); }
  void free(std::uint32_t uid) { used_.erase(uid); }

  /// For the next image of this process, beside the range; `next` is an offset in it.
  [[nodiscard]] const std::set<std::uint32_t>& used() const { return used_; }
  [[nodiscard]] std::uint32_t next() const { return next_; }
  void set_next(std::uint32_t next) { next_ = count_ == 0 ? 0 : next % count_; }

 private:
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t next_ = 0;  // offset in the range
  std::set<std::uint32_t> used_;
};

}  // namespace tariff::launcher
