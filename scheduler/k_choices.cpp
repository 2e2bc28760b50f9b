// SPDX-License-Identifier: Apache-2.0
#include "scheduler/k_choices.h"

namespace tariff::scheduler {

void sample(std::uint32_t n, std::uint32_t k, Random& random,
            std::vector<std::uint32_t>& out) {
  out.clear();
  if (n == 0) return;
  if (k >= n) {
    const std::uint32_t first = random.below(n);
    for (std::uint32_t i = 0; i < n; ++i) out.push_back(first + i < n ? first + i : first + i - n);
    return;
  }
  while (out.size() < k) {
    const std::uint32_t candidate = random.below(n);
    bool known = false;
    for (const auto other : out) known = known || other == candidate;
    if (!known) out.push_back(candidate);
  }
}

}  // namespace tariff::scheduler
