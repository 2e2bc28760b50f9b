// SPDX-License-Identifier: Apache-2.0
#include "swap/headroom.h"

#include <algorithm>
#include <cmath>

namespace tariff::swap {
namespace {

constexpr double kUnknownGain = 0.5;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Bytes part_of(Bytes bytes, double part) {
  return static_cast<Bytes>(static_cast<double>(bytes) * part);
}

}  // namespace

double gain_of(const std::vector<ZramUse>& zrams) {
  double stored = 0;
  double used = 0;
  for (const auto& zram : zrams) {
    stored += static_cast<double>(zram.stored);
    used += static_cast<double>(zram.used);
  }
  // Below this the allocator's own pages count more than what is stored.
  constexpr double kTooLittle = 16.0 * static_cast<double>(kMiB);
  if (stored < kTooLittle) return kUnknownGain;
  return std::clamp(1 - used / stored, 0.0, 1.0);
}

Bytes usable_bytes(Bytes available, const Watermarks& watermarks, Bytes moving_out, double gain) {
  const Bytes taken = watermarks.boost + part_of(moving_out, 1 - std::clamp(gain, 0.0, 1.0));
  return available > taken ? available - taken : 0;
}

Bytes headroom_bytes(Bytes total, Bytes fastest_growth, const HeadroomSettings& settings) {
  if (settings.fixed) return *settings.fixed;
  const Bytes least = part_of(total, settings.least_part);
  const Bytes most = std::max(least, part_of(total, settings.most_part));
  return std::clamp(part_of(fastest_growth, seconds(settings.reach)), least, most);
}

void GrowthMeter::sample(const Sample& sample) {
  if (!last_ || sample.now < last_->now || sample.released < last_->released) {
    last_ = sample;
    now_ = 0;
    return;
  }
  if (sample.now - last_->now < kShortest) return;
  const auto signed_bytes = [](Bytes bytes) { return static_cast<double>(bytes); };
  const double taken = signed_bytes(last_->usable) - signed_bytes(sample.usable) +
                       signed_bytes(sample.released - last_->released) -
                       std::max(0.0, signed_bytes(sample.zram_used) -
                                         signed_bytes(last_->zram_used));
  now_ = static_cast<Bytes>(std::max(0.0, taken / seconds(sample.now - last_->now)));
  if (now_ >= fastest(sample.now)) {
    fastest_ = now_;
    fastest_at_ = sample.now;
  }
  last_ = sample;
}

Bytes GrowthMeter::fastest(Time now) const {
  const double half_lives = seconds(now - fastest_at_) / seconds(kHalfLife);
  return part_of(fastest_, std::exp2(-std::max(0.0, half_lives)));
}

void HeadroomLevel::update(Time now, Bytes headroom, MemoryView& memory) {
  memory.headroom = headroom;
  memory.leave = part_of(headroom, settings_.leave_factor);
  if (memory.usable < memory.headroom) low_ = true;
  if (memory.usable >= memory.leave) low_ = false;
  memory.low = low_;
  if (memory.usable >= critical_level(memory)) critical_since_.reset();
  else if (!critical_since_) critical_since_ = now;
  memory.critical_since = critical_since_;
}

}  // namespace tariff::swap
