// SPDX-License-Identifier: Apache-2.0
// What the kernel says of swap and of pages, as plain structs: text or bytes in, struct out. The
// rest (memory.stat, memory.pressure, /proc/meminfo, ...) is in cgroup/parse.h, whose rules hold
// here, too: a key that this kernel does not have is an empty optional, what does not look like the
// file is an Error that names file, line and reason.
// Sources: proc(5); mm/vmstat.c; Documentation/admin-guide/blockdev/zram.rst;
// Documentation/admin-guide/mm/pagemap.rst.
// Units: bytes, unless a name says pages. Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tariff::swap {

/// /proc/zoneinfo, summed over all zones of all nodes. `boost` (5.14 and later) is contained in the
/// three watermarks: while it is not 0 they are raised.
struct Watermarks {
  std::uint64_t free = 0;
  std::uint64_t min = 0;
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint64_t boost = 0;
  bool operator==(const Watermarks&) const = default;
};
Result<Watermarks> parse_zoneinfo(std::string_view text, std::uint64_t page_bytes);

/// One line of /proc/swaps. The kernel uses the device of the highest priority first, and those of
/// equal priority in turn.
struct SwapDevice {
  std::string name;  ///< a path; "\040" and the like are undone
  bool file = false; ///< else a partition or another block device
  std::uint64_t size = 0;
  std::uint64_t used = 0;
  int priority = 0;
  bool operator==(const SwapDevice&) const = default;
};
Result<std::vector<SwapDevice>> parse_swaps(std::string_view text);

/// "zram3" of "/dev/zram3"; empty if it is none.
std::string zram_name(const SwapDevice& device);

/// /sys/block/zramN/mm_stat.
struct ZramUse {
  std::uint64_t stored = 0;      ///< what was written to it, uncompressed
  std::uint64_t compressed = 0;
  std::uint64_t used = 0;        ///< RAM that it takes, with its allocator's loss
  std::uint64_t limit = 0;       ///< of `used`; 0: none
  bool operator==(const ZramUse&) const = default;
};
Result<ZramUse> parse_mm_stat(std::string_view text);

/// /proc/vmstat: how often a task had to reclaim memory itself (allocstall_*, summed).
Result<std::uint64_t> parse_direct_reclaims(std::string_view text);

/// One entry of /proc/PID/pagemap. Neither bit set: never touched, or a file's page that is not
/// mapped. A page in the swap cache that is not mapped says Swapped although it is in RAM.
enum class Page { None, Present, Swapped };
constexpr Page page_of(std::uint64_t entry) {
  constexpr std::uint64_t kPresent = 1ULL << 63;
  constexpr std::uint64_t kSwapped = 1ULL << 62;
  if ((entry & kPresent) != 0) return Page::Present;
  return (entry & kSwapped) != 0 ? Page::Swapped : Page::None;
}

struct PageCounts {
  std::uint64_t present = 0;
  std::uint64_t swapped = 0;
  bool operator==(const PageCounts&) const = default;
};
PageCounts count_pages(std::span<const std::uint64_t> entries);

/// Neighbouring swapped pages as one range, for process_vm_readv(2) and process_madvise(2).
struct PageRange {
  std::uint64_t address = 0;
  std::uint64_t pages = 0;
  bool operator==(const PageRange&) const = default;
};
/// `entries` begin at `address`. At most `most` ranges; `done` says how many entries were looked
/// at, so that the caller goes on there.
struct SwappedRanges {
  std::vector<PageRange> ranges;
  std::size_t done = 0;
};
SwappedRanges swapped_ranges(std::uint64_t address, std::uint64_t page_bytes,
                             std::span<const std::uint64_t> entries, std::size_t most);

/// A line of /proc/PID/maps, as much as moving in needs.
struct Mapping {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  bool readable = false;
  bool shared = false;
  std::string name;  ///< a path, "[heap]", "[vvar]", or nothing
  bool operator==(const Mapping&) const = default;
};
Result<std::vector<Mapping>> parse_maps(std::string_view text);

}  // namespace tariff::swap
