// SPDX-License-Identifier: Apache-2.0
// Quantiles, and what several seeds say together. Quantiles interpolate linearly between the two
// neighbours (R's type 7, what numpy and Go's stat packages do).
// Threading: pure.
#pragma once

#include <vector>

namespace tariff::sim {

/// Reorders `values`. 0..1; not a number if there are none.
double quantile(std::vector<float>& values, double q);

/// Several at once, in rising order of q: cheaper than one after the other.
std::vector<double> quantiles(std::vector<float>& values, const std::vector<double>& q);

/// The mean over seeds and half the width of its 95 % confidence interval (Student's t).
struct Estimate {
  double mean = 0;
  double half = 0;  ///< 0 with one seed: nothing is known
};
Estimate estimate(const std::vector<double>& values);

}  // namespace tariff::sim
