// SPDX-License-Identifier: Apache-2.0
#include "config/similar.h"

#include <algorithm>
#include <vector>

namespace tariff::config {

int edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table of distances between prefixes (optimal string alignment).
  const std::size_t width = b.size() + 1;
  std::vector<int> before(width), previous(width), current(width);
  for (std::size_t j = 0; j < width; ++j) previous[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = static_cast<int>(i);
    for (std::size_t j = 1; j < width; ++j) {
      const int change = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    before.swap(previous);
    previous.swap(current);
  }
  return previous[b.size()];
}

std::optional<std::string_view> most_similar(std::string_view word,
                                             std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongest = 64;  // longer is no typing error, and costs time to compare
  if (word.empty() || word.size() > kLongest) return std::nullopt;
  std::optional<std::string_view> best;
  int best_distance = std::min(2, static_cast<int>(word.size() / 3)) + 1;
  for (const auto candidate : candidates) {
    const int distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  if (const auto near = most_similar(word, candidates))
    return "did you mean '" + std::string(*near) + "'?";
  std::string out = "known are: ";
  for (std::size_t i = 0; i < candidates.size(); ++i)
    out += (i == 0 ? "" : ", ") + std::string(candidates[i]);
  return out;
}

}  // namespace tariff::config
