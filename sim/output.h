// SPDX-License-Identifier: Apache-2.0
// What an experiment's runs say, as CSV files for programs and as a table for people. The files
// are the first seed's, so that they say the same however many seeds there are; confidence.csv has
// means and intervals over all, and the table the means.
// Threading: pure but for write_csv, which writes files.
#pragma once

#include <string>
#include <vector>

#include "sim/batch.h"

namespace tariff::sim {

/// slowdown.csv, utilisation.csv, confidence.csv, and with memory swapped.csv and machines.csv;
/// jobs.csv if the runs kept all jobs.
Status write_csv(const std::string& directory, const Experiment& experiment,
                 const std::vector<RunSummary>& runs);

/// Writes one file whole.
Status write_file(const std::string& path, const std::string& text);

/// p99 by load and class, a block for each system; swapping below it where there was memory.
std::string table(const Experiment& experiment, const std::vector<RunSummary>& runs);

/// Shortest text with at most so many digits behind the point.
std::string number(double value, int digits = 3);

/// A table of text, columns padded.
std::string columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace tariff::sim
