// SPDX-License-Identifier: Apache-2.0
#include "scheduler/idle_offer.h"

namespace tariff::scheduler {

Offer what_to_offer(const MachineReport& report, const OfferState& state, Time now,
                    const OfferSettings& settings) {
  const auto total = static_cast<double>(report.total);
  const double used = total - static_cast<double>(report.free);
  const bool few_jobs = !settings.most_jobs || report.jobs.total() <= *settings.most_jobs;
  if (!state.offered)
    return few_jobs && used < settings.enter_below * total ? Offer::Enter : Offer::Nothing;
  if (!few_jobs || used > settings.leave_above * total) return Offer::Leave;
  const Bytes change = report.free > state.told_free ? report.free - state.told_free
                                                     : state.told_free - report.free;
  const bool news = static_cast<double>(change) >= settings.significant * total ||
                    (settings.refresh && now - state.told_at >= *settings.refresh);
  return news ? Offer::Update : Offer::Nothing;
}

void told(OfferState& state, Offer offer, const MachineReport& report, Time now) {
  if (offer == Offer::Nothing) return;
  state = {offer != Offer::Leave, report.free, report.jobs.total(), now};
}

}  // namespace tariff::scheduler
