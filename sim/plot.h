// SPDX-License-Identifier: Apache-2.0
// gnuplot scripts for the report: text in, text out. Each script writes one SVG to its output.
// Threading: pure.
#pragma once

#include <string>
#include <vector>

#include "sim/batch.h"

namespace tariff::sim {

struct Plot {
  std::string name;    ///< of its file, without .svg
  std::string title;
  std::string note;    ///< below it, for the reader
  std::string script;
};

/// All plots that the experiment's runs have data for.
std::vector<Plot> plots_of(const Experiment& experiment, const std::vector<RunSummary>& runs);

}  // namespace tariff::sim
