// SPDX-License-Identifier: Apache-2.0
// What the launch benchmark measures: durations by name, printed as JSON for tools/bench, which
// does all statistics. Microseconds of CLOCK_MONOTONIC.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace tariff::benchmark {

using Clock = std::chrono::steady_clock;

class Samples {
 public:
  void add(const std::string& name, Clock::duration duration) {
    values_[name].push_back(
        static_cast<double>(std::chrono::nanoseconds(duration).count()) / 1'000.0);
  }
  void add_us(const std::string& name, double microseconds) {
    values_[name].push_back(microseconds);
  }
  [[nodiscard]] const std::map<std::string, std::vector<double>>& values() const { return values_; }

 private:
  std::map<std::string, std::vector<double>> values_;
};

}  // namespace tariff::benchmark
