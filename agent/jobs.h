// SPDX-License-Identifier: Apache-2.0
// The agent's copy of the launcher's records: what `tariffctl jobs` shows, what Wait waits for,
// what the per-class figures are counted from. The launcher is the authority; this is rebuilt from
// it at every session (begin_replay .. end_replay).
//
// A record that the agent knew and that a new launcher does not have died with the old launcher: it
// ends as LAUNCHER_LOST here, so that nobody waits for ever.
// Threading: the io_context's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/job_figures.h"
#include "agent/usage.h"
#include "base/money.h"
#include "launcher/protocol.pb.h"

namespace tariff::agent {

namespace asio = boost::asio;

struct ClassTotals {
  std::uint64_t done = 0;    ///< ended since the agent started
  std::uint64_t failed = 0;  ///< of these, not with exit status 0
  Cost cost;                 ///< of these
  LatencyWindow latency;     ///< accepted -> ended
  double gb_seconds = 0;     ///< resident memory over time, of these
  JobFigures figures;        ///< of these, for the metrics page
  LatencyWindow first_wait;  ///< launched -> first ran in its class
};

Cost cost_of(const launcher::Record& record);
/// 2^64 byte-microseconds in GB-seconds: a double is exact enough to be looked at; the bill is
/// computed from the integers.
double gb_seconds_of(const launcher::Record& record);

class Jobs {
 public:
  using Listener = std::function<void(const launcher::Record&)>;
  /// Unsubscribes when destroyed.
  using Subscription = std::shared_ptr<Listener>;

  explicit Jobs(asio::io_context& io);

  /// A record as the launcher told it (event, launch reply or replay).
  void apply(const launcher::Record& record);
  void begin_replay();
  void end_replay(std::int64_t now_ns);

  [[nodiscard]] const launcher::Record* find(const std::string& id) const;
  /// Newest first, `visit` returns false to stop; `before`: order of the last one seen, 0 = newest.
  void newest_first(std::uint64_t before,
                    const std::function<bool(std::uint64_t order, const launcher::Record&)>& visit)
      const;
  [[nodiscard]] std::size_t live() const { return live_; }
  [[nodiscard]] std::vector<const launcher::Record*> live_records() const;
  [[nodiscard]] const ClassTotals& totals(const std::string& price_class);
  /// Of every class that was asked for or had a job that ended, also those configured no longer.
  [[nodiscard]] const std::map<std::string, ClassTotals>& all_totals() const { return totals_; }
  /// Records known: live, or ended and not yet dropped.
  [[nodiscard]] std::size_t kept() const { return entries_.size(); }

  /// One wait, so that it can be given up from outside (its caller hung up).
  struct Wait {
    explicit Wait(asio::io_context& io) : timer(io) {}
    void give_up() {
      given_up = true;
      timer.cancel();
    }
    asio::steady_timer timer;
    bool given_up = false;
  };
  [[nodiscard]] std::shared_ptr<Wait> new_wait() { return std::make_shared<Wait>(io_); }

  /// Waits until the job has ended, is gone, `deadline`, or the wait was given up.
  asio::awaitable<void> wait_ended(std::string id,
                                   std::optional<std::chrono::steady_clock::time_point> deadline,
                                   std::shared_ptr<Wait> wait);

  [[nodiscard]] Subscription subscribe(Listener listener);

  /// Which leaves are frozen: the agent's doing, not in the launcher's records. Whoever follows the
  /// job `id` (may be empty: not known yet) is told.
  void set_frozen(const std::string& id, const std::string& leaf, bool frozen);
  [[nodiscard]] bool frozen_leaf(const std::string& leaf) const { return frozen_.contains(leaf); }

 private:
  struct Entry {
    launcher::Record record;
    std::uint64_t order = 0;
    bool seen = true;                                    ///< in the replay under way
    std::vector<std::weak_ptr<Wait>> waiters;
  };
  void count_end(const launcher::Record& record);
  void wake(Entry& entry);

  asio::io_context& io_;
  std::unordered_map<std::string, Entry> entries_;
  std::map<std::uint64_t, std::string> by_order_;
  std::map<std::string, ClassTotals> totals_;
  std::vector<std::weak_ptr<Listener>> listeners_;
  std::set<std::string> frozen_;
  std::uint64_t next_order_ = 1;
  std::size_t live_ = 0;
  std::int64_t started_ns_ = 0;
};

/// CLOCK_MONOTONIC in nanoseconds, the launcher's time base.
std::int64_t monotonic_ns();

}  // namespace tariff::agent
