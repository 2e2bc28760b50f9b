// SPDX-License-Identifier: Apache-2.0
// A tenant's monthly budget, and what is done when it is spent too quickly: a bug or an attack must
// not cost more than was meant, by much (the paper, 3.1). No guarantee to the cent: what runs is
// not stopped, so a tenant can overshoot by what its running jobs still use, and by what was not
// reported yet.
//
//   pace = budget x elapsed share of the month x burst factor, never more than the budget
//
// Beyond the pace it gets worse in steps, one for each `step` of the pace overspent; n classes:
//   step 1 .. n-1    jobs of the lowest so many classes and the next are demoted to the cheapest
//   step n .. 2n-1   jobs of the lowest so many classes are throttled (not accepted), the top last
// Once the whole budget is spent all but the top class are throttled, and the top class one `step`
// of the budget later: that bounds the overshoot.
// Units: Cost (base/money.h). Threading: plain values.
#pragma once

#include <optional>

#include "base/money.h"
#include "scheduler/model.h"

namespace tariff::scheduler {

struct BudgetSettings {
  Cost monthly;
  /// How much faster than evenly a tenant may spend: 2 lets one day cost two days' share.
  double burst = 2.0;
  /// Of the month that counts as elapsed at least: nobody is demoted in the first minute of a
  /// month.
  double least_share = 1.0 / 30;
  double step = 0.05;  ///< of the pace
};

struct Month {
  Time begin{0};
  Time end{0};
};

struct BudgetVerdict {
  enum class Kind { Run, Demote, Throttle };
  Kind kind = Kind::Run;
  int rank = 0;                  ///< Run, Demote: the class to run in
  std::optional<Time> retry_at;  ///< Throttle: when the pace has caught up, if nothing is spent
};

class Budget {
 public:
  Budget(const BudgetSettings& settings, int classes) : settings_(settings), classes_(classes) {}

  /// CPU and memory that was used, as it is reported; running jobs report, too.
  void charge(Cost cost) { spent_ += cost; }
  /// A new month: nothing is spent, nothing is carried over.
  void begin_month(const Month& month);

  [[nodiscard]] BudgetVerdict verdict(int rank, Time now) const;
  [[nodiscard]] Cost spent() const { return spent_; }
  [[nodiscard]] Cost pace(Time now) const;
  /// 0: within the pace.
  [[nodiscard]] int step(Time now) const;

 private:
  [[nodiscard]] Time when_pace_reaches(Cost cost) const;

  BudgetSettings settings_;
  int classes_;
  Month month_;
  Cost spent_;
};

/// What one call chain may do: a loop of functions that call each other must end.
struct ChainLimits {
  int max_hops = 16;
  std::optional<Cost> max_spend;
};
enum class ChainRefusal { TooManyHops, SpentTooMuch };
/// `hops`: calls before this one; `spent`: by the whole chain so far.
std::optional<ChainRefusal> refuses_chain(int hops, Cost spent, const ChainLimits& limits);

}  // namespace tariff::scheduler
