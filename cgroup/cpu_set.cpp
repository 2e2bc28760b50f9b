// SPDX-License-Identifier: Apache-2.0
#include "cgroup/cpu_set.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iterator>
#include <optional>

namespace tariff::cgroup {
namespace {

constexpr int kWordBits = 32;

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

template <typename T>
std::optional<T> whole_number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Error garbage(std::string_view file, std::string_view text, const char* why) {
  constexpr std::size_t kMost = 60;
  std::string shown;
  for (const char c : text.substr(0, kMost)) shown += c >= ' ' && c <= '~' ? c : '?';
  return Error{ErrorKind::InvalidArgument,
               "cannot read " + std::string(file) + ": " + why + " in '" + shown + "'", {}};
}

/// Calls use(part) for each part between commas; false from it ends the walk.
template <typename Use>
bool each_part(std::string_view text, Use use) {
  while (true) {
    const auto comma = text.find(',');
    if (!use(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<CpuSet> parse_cpu_list(std::string_view text, std::string_view file) {
  const auto trimmed = trim(text);
  CpuSet out;
  if (trimmed.empty()) return out;
  const bool good = each_part(trimmed, [&out](std::string_view part) {
    const auto dash = part.find('-');
    const auto first = whole_number<int>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first
                                                     : whole_number<int>(part.substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first || *last >= kMostCpus) return false;
    for (int cpu = *first; cpu <= *last; ++cpu) out.insert(cpu);
    return true;
  });
  if (!good) return garbage(file, trimmed, "no list of CPUs");
  return out;
}

std::string cpu_list(const CpuSet& cpus) {
  std::string out;
  for (auto at = cpus.begin(); at != cpus.end();) {
    const int first = *at;
    int last = first;
    while (++at != cpus.end() && *at == last + 1) last = *at;
    if (!out.empty()) out += ',';
    out += std::to_string(first);
    if (last != first) out += "-" + std::to_string(last);
  }
  return out;
}

Result<CpuSet> parse_cpu_mask(std::string_view text, std::string_view file) {
  const auto trimmed = trim(text);
  std::vector<std::uint32_t> words;
  const bool good = each_part(trimmed, [&words](std::string_view part) {
    const auto word = whole_number<std::uint32_t>(part, 16);
    if (!word || words.size() >= kMostCpus / kWordBits) return false;
    words.push_back(*word);
    return true;
  });
  if (!good) return garbage(file, trimmed, "no mask of CPUs");
  CpuSet out;
  for (std::size_t i = 0; i < words.size(); ++i)
    for (int bit = 0; bit < kWordBits; ++bit)
      if ((words[words.size() - 1 - i] >> bit & 1U) != 0)
        out.insert(static_cast<int>(i) * kWordBits + bit);
  return out;
}

std::string cpu_mask(const CpuSet& cpus) {
  std::vector<std::uint32_t> words(1, 0);
  for (const int cpu : cpus) {
    const auto word = static_cast<std::size_t>(cpu / kWordBits);
    if (words.size() <= word) words.resize(word + 1, 0);
    words[word] |= std::uint32_t{1} << (cpu % kWordBits);
  }
  std::string out;
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    char text[16];
    std::snprintf(text, sizeof text, out.empty() ? "%x" : ",%08x", *word);
    out += text;
  }
  return out;
}

CpuSet cpus_of_bitmap(const std::vector<std::uint8_t>& bitmap) {
  CpuSet out;
  for (std::size_t i = 0; i < bitmap.size() && i < kMostCpus / 8; ++i)
    for (int bit = 0; bit < 8; ++bit)
      if ((bitmap[i] >> bit & 1) != 0) out.insert(static_cast<int>(i) * 8 + bit);
  return out;
}

std::vector<std::uint8_t> cpu_bitmap(const CpuSet& cpus) {
  std::vector<std::uint8_t> out;
  for (const int cpu : cpus) {
    const auto byte = static_cast<std::size_t>(cpu / 8);
    if (out.size() <= byte) out.resize(byte + 1, 0);
    out[byte] = static_cast<std::uint8_t>(out[byte] | 1 << (cpu % 8));
  }
  return out;
}

CpuSet common(const CpuSet& a, const CpuSet& b) {
  CpuSet out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

CpuSet without(const CpuSet& a, const CpuSet& b) {
  CpuSet out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

}  // namespace tariff::cgroup
