// SPDX-License-Identifier: Apache-2.0
// How much memory is left before somebody has to wait, and how early help must start.
//
//   usable    MemAvailable, which the kernel computes as free pages and what it could reclaim
//             cheaply, less the high watermarks of all zones (mm/show_mem.c), corrected by what it
//             leaves out: watermarks that are raised for a while (boost), and what zram takes while
//             it stores what is on its way out.
//   headroom  as much as may be taken before help works: 2 s of the fastest growth seen, at least
//             5 % of RAM. 2 s hold a wake-up (at most 0.5 s), a freeze (1.5 ms when raised,
//             measured) and the first batches at 240 to 310 MB/s (measured) several times.
//
//   GrowthMeter growth;                                  // with every look
//   growth.sample({now, usable, released, zram.used});
//   level.update(usable, headroom_bytes(total, growth.fastest(now), settings));
//
// Units: bytes, bytes per second. Threading: plain values.
#pragma once

#include <optional>
#include <vector>

#include "swap/model.h"
#include "swap/parse.h"

namespace tariff::swap {

struct HeadroomSettings {
  std::optional<Bytes> fixed;                    ///< the operator's word: nothing is computed
  double least_part = 0.05;                      ///< of RAM
  Duration reach = std::chrono::seconds(2);      ///< times the fastest growth seen
  /// Of RAM at most: one that writes memory at full speed for a moment must not push all out.
  double most_part = 0.25;
  /// Memory stops being low this much above the headroom (times it).
  double leave_factor = 1.25;
};

/// RAM that a byte moved out sets free with this zram: 1 less what is stored of each. Half before
/// anything is stored: zram-generator's and Debian's documentation expect 2 to 3 to 1.
double gain_of(const std::vector<ZramUse>& zrams);

/// `moving_out`: bytes that are on their way to swap; `gain` as above, 1 with a disk.
Bytes usable_bytes(Bytes available, const Watermarks& watermarks, Bytes moving_out, double gain);

/// `fastest_growth`: bytes per second.
Bytes headroom_bytes(Bytes total, Bytes fastest_growth, const HeadroomSettings& settings);

/// How fast memory is taken, whoever takes it. What we released ourselves meanwhile is not taken
/// for a fall in demand, and what zram took is not taken for growth of the jobs.
class GrowthMeter {
 public:
  struct Sample {
    Time now{0};
    Bytes usable = 0;
    Bytes released = 0;   ///< RAM set free by us so far, ever growing
    Bytes zram_used = 0;
  };
  void sample(const Sample& sample);

  [[nodiscard]] Bytes now() const { return now_; }  ///< bytes per second between the last two looks
  /// The fastest seen, halved for every kHalfLife since: one burst is not kept in mind for ever.
  [[nodiscard]] Bytes fastest(Time now) const;

  /// Looks closer together than this are taken together: the counters move in steps.
  static constexpr Duration kShortest = std::chrono::milliseconds(50);
  static constexpr Duration kHalfLife = std::chrono::minutes(10);

 private:
  std::optional<Sample> last_;
  Bytes now_ = 0;
  Bytes fastest_ = 0;
  Time fastest_at_{0};
};

/// MemoryView's headroom, leave, low and critical_since, over time: low is entered below the
/// headroom and left only above `leave`, so that what flickers around one value changes nothing.
class HeadroomLevel {
 public:
  explicit HeadroomLevel(const HeadroomSettings& settings) : settings_(settings) {}
  /// Fills those four fields of `memory`, whose other fields are set already.
  void update(Time now, Bytes headroom, MemoryView& memory);

 private:
  HeadroomSettings settings_;
  bool low_ = false;
  std::optional<Time> critical_since_;
};

}  // namespace tariff::swap
