// SPDX-License-Identifier: Apache-2.0
// What changes between two configurations, and which of it a reload can apply. The same list is
// shown by `tariffd --check-config --diff` before a reload and written to the journal by the reload
// itself. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/schema.h"

namespace tariff::config {

enum class Applies {
  Now,              ///< by reload; running jobs keep what they were placed with
  AgentRestart,     ///< systemctl restart tariffd: jobs run on
  LauncherRestart,  ///< tariff-launcher too, whose jobs then end (docs/reliability.md)
};

/// One setting. `before` or `after` is empty if it was not there.
struct Change {
  std::string key;  ///< as in the file: "classes.bulk.price", "limits.max_jobs", "functions.home"
  std::string before;
  std::string after;
  Applies applies = Applies::Now;
  bool operator==(const Change&) const = default;
};

/// In the order of the file. What follows from another setting (rank, spread priorities) is listed
/// too, since it is what changes on the machine.
std::vector<Change> diff(const NodeConfig& before, const NodeConfig& after);

/// Functions added, removed and changed, by name; before and after are versions. All apply now.
std::vector<Change> diff(const std::vector<Function>& before, const std::vector<Function>& after);

/// `wanted` with everything that a reload cannot apply taken from `running`: what the agent has
/// after the reload.
NodeConfig after_reload(const NodeConfig& running, const NodeConfig& wanted);

/// A table for people, one line per change:
///   classes.bulk.price    0.3 -> 0.4    now
///   fifo.agent            60 -> 61      needs: systemctl restart tariffd
/// "" if there are none.
std::string render(const std::vector<Change>& changes);

}  // namespace tariff::config
