// SPDX-License-Identifier: Apache-2.0
// One HTML file that a person can read: what was run, the plots as vectors within it, and the
// table. The plots are drawn by gnuplot (package gnuplot-nox), which is given a script and data on
// its standard input and writes an SVG for each plot beside the report, which contains them, too.
// Errors: gnuplot is missing or fails. Threading: starts a process and waits for it.
#pragma once

#include <string>
#include <vector>

#include "sim/batch.h"

namespace tariff::sim {

Status write_report(const std::string& directory, const Profile& profile,
                    const Experiment& experiment, const std::vector<RunSummary>& runs);

}  // namespace tariff::sim
