// SPDX-License-Identifier: Apache-2.0
#include "launcher/job_record.h"

#include <algorithm>

namespace tariff::launcher {

bool valid_job_id(std::string_view id) {
  constexpr std::size_t kLongest = 64;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= kLongest && id.front() != '.' &&
         std::all_of(id.begin(), id.end(), allowed);
}

}  // namespace tariff::launcher
