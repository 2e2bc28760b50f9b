// SPDX-License-Identifier: Apache-2.0
#include "sim/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace tariff::sim {
namespace {

/// Two-sided 95 %, for 1..30 degrees of freedom (any table of Student's t); then nearly normal.
constexpr std::array kStudent = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                                 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                                 2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
constexpr double kNormal = 1.96;

}  // namespace

std::vector<double> quantiles(std::vector<float>& values, const std::vector<double>& q) {
  std::vector<double> out;
  auto sorted_from = values.begin();  // what is before it is not larger than anything behind
  for (const double share : q) {
    if (values.empty()) {
      out.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const double place = share * static_cast<double>(values.size() - 1);
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(place);
    if (at >= sorted_from) std::nth_element(sorted_from, at, values.end());
    const double below = *at;
    const double part = place - std::floor(place);
    const double above = part > 0 ? *std::min_element(at + 1, values.end()) : below;
    out.push_back(below + part * (above - below));
    sorted_from = at;
  }
  return out;
}

double quantile(std::vector<float>& values, double q) { return quantiles(values, {q})[0]; }

Estimate estimate(const std::vector<double>& values) {
  std::vector<double> known;
  for (const double value : values)
    if (std::isfinite(value)) known.push_back(value);
  if (known.empty()) return {std::numeric_limits<double>::quiet_NaN(), 0};
  double sum = 0;
  for (const double value : known) sum += value;
  const auto count = static_cast<double>(known.size());
  const double mean = sum / count;
  if (known.size() < 2) return {mean, 0};
  double squares = 0;
  for (const double value : known) squares += (value - mean) * (value - mean);
  const std::size_t freedom = known.size() - 1;
  const double student = freedom <= kStudent.size() ? kStudent[freedom - 1] : kNormal;
  return {mean, student * std::sqrt(squares / static_cast<double>(freedom) / count)};
}

}  // namespace tariff::sim
