// SPDX-License-Identifier: Apache-2.0
#include "agent/priorities.h"

#include <algorithm>
#include <chrono>

#include "agent/log.h"

namespace tariff::agent {
namespace {

constexpr std::chrono::seconds kInterval{10};

struct Look {
  BandFacts facts;
  std::vector<RaisedThread> raised;
};

}  // namespace

asio::awaitable<void> Priorities::run() {
  while (!stopping_) {
    const bool fifo = config_.cpu_enforcement == config::CpuEnforcement::Fifo;
    const auto looking = [fifo] {
      Look result;
      if (fifo) result.raised = raise_psimon();
      result.facts = look_at_bands();
      return result;
    };
    auto look = co_await worker_.run(looking);
    for (const auto& thread : look.raised)
      if (std::none_of(raised_.begin(), raised_.end(),
                       [&](const RaisedThread& known) { return known.tid == thread.tid; }))
        raised_.push_back(thread);
    look.facts.launcher_expected = false;  // its absence is reported by who connects to it
    auto found = objections(look.facts, config_);
    for (const auto& text : found)
      if (std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end())
        log(LogLevel::Warning, text);
    warnings_ = std::move(found);
    timer_.expires_after(kInterval);
    if (!stopping_) co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  const auto undoing = [raised = raised_] {
    put_back(raised);
    return true;
  };
  co_await worker_.run(undoing);
}

void Priorities::stop() {
  stopping_ = true;
  timer_.cancel();
}

}  // namespace tariff::agent
