// SPDX-License-Identifier: Apache-2.0
// How busy the cores of one machine were in each tick: the integral of running cores over the tick,
// divided by their number. Fed with each change; a machine that nobody asks for a while catches up.
// Threading: plain value.
#pragma once

#include <vector>

#include "sim/model.h"

namespace tariff::sim {

/// Samples of a whole run, 0..1. Ticks before `first` are not kept (the paper's run warms up).
struct Samples {
  std::vector<float> values;
  std::int64_t first = 0;
};

class BusyMeter {
 public:
  void set_up(double cores, Samples* samples) {
    cores_ = cores;
    samples_ = samples;
  }
  /// `busy` cores were in use since the last call.
  void until(Nanos now, double busy) {
    while (now >= tick_end_) {
      area_ += busy * static_cast<double>(tick_end_ - at_);
      if (samples_ != nullptr && tick_end_ / kTick > samples_->first)
        samples_->values.push_back(
            static_cast<float>(area_ / (cores_ * static_cast<double>(kTick))));
      area_ = 0;
      at_ = tick_end_;
      tick_end_ += kTick;
    }
    area_ += busy * static_cast<double>(now - at_);
    at_ = now;
  }

 private:
  double cores_ = 1;
  double area_ = 0;  ///< core-nanoseconds of this tick
  Nanos at_ = 0;
  Nanos tick_end_ = kTick;
  Samples* samples_ = nullptr;
};

}  // namespace tariff::sim
