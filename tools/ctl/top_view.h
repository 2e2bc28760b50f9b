// SPDX-License-Identifier: Apache-2.0
// The frame of `tariffctl top`, from two samples of the agent's status. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ipc/proto/agent.pb.h"
#include "tools/ctl/json_view.h"

namespace tariff::ctl {

/// One job as it is now; `cpu_us` of its cgroup, negative if that could not be read.
struct TopJob {
  v1::Job job;
  std::int64_t cpu_us = -1;
};

struct TopSample {
  std::chrono::steady_clock::time_point at;
  v1::StatusReply status;
  std::vector<TopJob> jobs;
};

/// What a class did between two samples; empty without an earlier one, or when the agent was
/// restarted in between (its counters begin again).
struct ClassRates {
  std::optional<double> done;       ///< per second
  std::optional<double> failed;
  std::optional<double> cpu_share;  ///< 1 = one whole CPU
};
ClassRates rates_of(const TopSample* before, const TopSample& now, const v1::ClassStatus& row);

/// Columns and rows of a terminal; 0: no limit.
struct Size {
  std::size_t columns = 0;
  std::size_t rows = 0;
};

/// Lines ended by '\n', none longer than the terminal is wide, not more than it has rows.
/// `trouble`: why there is no newer sample, shown in the first line.
std::string top_text(const TopSample* before, const TopSample& now, Size size,
                     const std::string& trouble);
Json top_json(const TopSample* before, const TopSample& now);

/// The text with each line cut to `columns` code points, at most `rows` lines.
std::string fitted(const std::string& text, Size size);

}  // namespace tariff::ctl
