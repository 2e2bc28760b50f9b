// SPDX-License-Identifier: Apache-2.0
#include "swap/parse.h"

#include <limits>
#include <utility>

#include "base/text.h"

namespace tariff::swap {
namespace {

/// Kibibytes as the kernel writes them, or pages, in bytes; nothing if that overflows.
std::optional<std::uint64_t> scaled(std::string_view word, std::uint64_t unit) {
  const auto value = whole_number<std::uint64_t>(word);
  if (!value || *value > std::numeric_limits<std::uint64_t>::max() / unit) return std::nullopt;
  return *value * unit;
}

/// Undoes the kernel's "\ooo" for blanks and backslashes in names (fs/seq_file.c).
std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.size() >= 4 && text[0] == '\\') {
      unsigned code = 0;
      const auto* end = text.data() + 4;
      const auto [stop, error] = std::from_chars(text.data() + 1, end, code, 8);
      if (error == std::errc{} && stop == end && code < 256) {
        out += static_cast<char>(code);
        text.remove_prefix(4);
        continue;
      }
    }
    out += text[0];
    text.remove_prefix(1);
  }
  return out;
}

std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<Watermarks> parse_zoneinfo(std::string_view text, std::uint64_t page_bytes) {
  constexpr std::string_view kFile = "/proc/zoneinfo";
  Watermarks out;
  bool any = false;
  bool within = false;  // the lines after "pages free", up to another key
  while (!text.empty()) {
    const auto line = take(text, '\n');
    auto rest = line;
    auto key = take_word(rest);
    if (key == "pages") {
      within = true;
      any = true;
      key = take_word(rest);
    }
    if (!within) continue;
    std::uint64_t* field = key == "free"    ? &out.free
                           : key == "min"   ? &out.min
                           : key == "low"   ? &out.low
                           : key == "high"  ? &out.high
                           : key == "boost" ? &out.boost
                                            : nullptr;
    if (field == nullptr) {
      within = key == "promo";  // newer kernels; not ours, but what follows may be
      continue;
    }
    const auto bytes = scaled(take_word(rest), page_bytes);
    if (!bytes || !trim(rest).empty()) return garbage(kFile, line, "no number of pages");
    *field += *bytes;
  }
  if (!any) return garbage(kFile, "", "no zone");
  return out;
}

Result<std::vector<SwapDevice>> parse_swaps(std::string_view text) {
  constexpr std::string_view kFile = "/proc/swaps";
  const auto header = take(text, '\n');
  if (!header.starts_with("Filename")) return garbage(kFile, header, "no heading");
  std::vector<SwapDevice> out;
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (trim(line).empty()) continue;
    auto rest = line;
    SwapDevice device;
    device.name = unescaped(take_word(rest));
    device.file = take_word(rest) == "file";
    const auto size = scaled(take_word(rest), 1024);
    const auto used = scaled(take_word(rest), 1024);
    const auto priority = whole_number<int>(take_word(rest));
    if (!size || !used || !priority) return garbage(kFile, line, "no size, use and priority");
    device.size = *size;
    device.used = *used;
    device.priority = *priority;
    out.push_back(std::move(device));
  }
  return out;
}

std::string zram_name(const SwapDevice& device) {
  constexpr std::string_view kPrefix = "/dev/zram";
  const std::string_view name = device.name;
  if (device.file || !name.starts_with(kPrefix)) return {};
  if (!whole_number<unsigned>(name.substr(kPrefix.size()))) return {};
  return std::string(name.substr(5));
}

Result<ZramUse> parse_mm_stat(std::string_view text) {
  ZramUse out;
  auto rest = trim(text);
  for (auto* field : {&out.stored, &out.compressed, &out.used, &out.limit}) {
    const auto value = whole_number<std::uint64_t>(take_word(rest));
    if (!value) return garbage("/sys/block/zram*/mm_stat", trim(text), "too few numbers");
    *field = *value;
  }
  return out;
}

Result<std::uint64_t> parse_direct_reclaims(std::string_view text) {
  std::uint64_t sum = 0;
  bool any = false;
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (!line.starts_with("allocstall")) continue;
    auto rest = line;
    take_word(rest);
    const auto value = whole_number<std::uint64_t>(take_word(rest));
    if (!value) return garbage("/proc/vmstat", line, "no number");
    sum += *value;
    any = true;
  }
  if (!any) return garbage("/proc/vmstat", "", "no allocstall");
  return sum;
}

PageCounts count_pages(std::span<const std::uint64_t> entries) {
  PageCounts counts;
  for (const auto entry : entries) {
    const auto page = page_of(entry);
    counts.present += page == Page::Present ? 1 : 0;
    counts.swapped += page == Page::Swapped ? 1 : 0;
  }
  return counts;
}

SwappedRanges swapped_ranges(std::uint64_t address, std::uint64_t page_bytes,
                             std::span<const std::uint64_t> entries, std::size_t most) {
  SwappedRanges out;
  bool open = false;
  for (; out.done < entries.size(); ++out.done) {
    const bool swapped = page_of(entries[out.done]) == Page::Swapped;
    if (swapped && !open) {
      if (out.ranges.size() == most) return out;
      out.ranges.push_back({address + out.done * page_bytes, 0});
    }
    open = swapped;
    if (open) ++out.ranges.back().pages;
  }
  return out;
}

Result<std::vector<Mapping>> parse_maps(std::string_view text) {
  constexpr std::string_view kFile = "/proc/PID/maps";
  std::vector<Mapping> out;
  while (!text.empty()) {
    const auto line = take(text, '\n');
    if (line.empty()) continue;
    auto rest = line;
    auto range = take_word(rest);
    const auto first = hexadecimal(take(range, '-'));
    const auto end = hexadecimal(range);
    const auto rights = take_word(rest);
    if (!first || !end || *first >= *end || rights.size() != 4)
      return garbage(kFile, line, "no range and rights");
    for (int column = 0; column < 3; ++column) take_word(rest);  // offset, device, inode
    out.push_back({*first, *end, rights[0] == 'r', rights[3] == 's', std::string(trim(rest))});
  }
  return out;
}

}  // namespace tariff::swap
