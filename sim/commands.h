// SPDX-License-Identifier: Apache-2.0
// What tariff-sim's commands do, once the command line is read. Standard output is a function of
// arguments and seed; times and progress go to standard error.
// Threading: main's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/batch.h"

namespace tariff::sim {

struct CommandLine {
  std::string profile = "author";
  std::string other;                   ///< compare: the second one
  std::string experiment;              ///< empty: all of the profile
  std::vector<std::string> settings;   ///< --set
  std::vector<std::string> over;       ///< sweep: key=value,value
  int seeds = 0;                       ///< 0: ten with a report, else one
  std::optional<std::uint64_t> seed;
  int threads = 1;                     ///< 0: one for each core
  std::string out;                     ///< directory; empty: figure's default, else no files
  bool report = true;
  bool jobs_csv = false;
};

Status run_figure(const CommandLine& line, const std::string& figure);
Status run_profile(const CommandLine& line);
Status run_sweep(const CommandLine& line);
Status run_compare(const CommandLine& line);

}  // namespace tariff::sim
