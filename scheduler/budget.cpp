// SPDX-License-Identifier: Apache-2.0
#include "scheduler/budget.h"

#include <algorithm>
#include <cmath>

namespace tariff::scheduler {
namespace {

/// Shares of a budget: doubles are exact far below a cent for any month.
double share_of(const Month& month, Time now) {
  const auto length = static_cast<double>((month.end - month.begin).count());
  if (length <= 0) return 1;
  return std::clamp(static_cast<double>((now - month.begin).count()) / length, 0.0, 1.0);
}

}  // namespace

void Budget::begin_month(const Month& month) {
  month_ = month;
  spent_ = {};
}

Cost Budget::pace(Time now) const {
  const double share =
      std::min(1.0, std::max(share_of(month_, now), settings_.least_share) * settings_.burst);
  return {static_cast<std::int64_t>(static_cast<double>(settings_.monthly.millionths) * share)};
}

int Budget::step(Time now) const {
  const auto allowed = pace(now);
  if (spent_ <= allowed) return 0;
  if (allowed.millionths <= 0) return 2 * classes_ - 1;
  const double over = static_cast<double>(spent_.millionths - allowed.millionths) /
                      static_cast<double>(allowed.millionths);
  const double steps = std::ceil(over / settings_.step);
  return static_cast<int>(std::clamp(steps, 1.0, static_cast<double>(2 * classes_ - 1)));
}

BudgetVerdict Budget::verdict(int rank, Time now) const {
  const int steps = step(now);
  const auto most = static_cast<double>(settings_.monthly.millionths) * (1 + settings_.step);
  const bool last_resort = static_cast<double>(spent_.millionths) >= most;
  // Once all is spent the pace does not catch up any more this month.
  const bool over = spent_ >= settings_.monthly && (rank < classes_ || last_resort);
  if (over || steps >= classes_ + rank - 1)
    return {BudgetVerdict::Kind::Throttle, 0, when_pace_reaches(spent_)};
  if (rank > 1 && steps >= rank - 1) return {BudgetVerdict::Kind::Demote, 1, std::nullopt};
  return {BudgetVerdict::Kind::Run, rank, std::nullopt};
}

Time Budget::when_pace_reaches(Cost cost) const {
  if (cost > settings_.monthly || settings_.monthly.millionths <= 0) return month_.end;
  const double share = static_cast<double>(cost.millionths) /
                       static_cast<double>(settings_.monthly.millionths) / settings_.burst;
  const auto length = static_cast<double>((month_.end - month_.begin).count());
  return month_.begin + Time(static_cast<Time::rep>(std::min(1.0, share) * length));
}

std::optional<ChainRefusal> refuses_chain(int hops, Cost spent, const ChainLimits& limits) {
  if (hops >= limits.max_hops) return ChainRefusal::TooManyHops;
  if (limits.max_spend && spent >= *limits.max_spend) return ChainRefusal::SpentTooMuch;
  return std::nullopt;
}

}  // namespace tariff::scheduler
