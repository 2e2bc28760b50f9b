// SPDX-License-Identifier: Apache-2.0
// tariff-sim: the paper's figures, and more, on the policies that run in production.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "sim/commands.h"

namespace {

using tariff::sim::CommandLine;

void add_common(CLI::App& command, CommandLine& line) {
  command.add_option("--seeds", line.seeds, "runs with so many seeds, and says how sure it is")
      ->check(CLI::Range(1, 10'000));
  command.add_option("--seed", line.seed, "the first seed");
  command.add_option("--jobs", line.threads, "threads; without a number one for each core")
      ->expected(0, 1)->check(CLI::Range(0, 1'024));
  command.add_option("--set", line.settings, "a setting, for example placement.k=3; repeatable")
      ->allow_extra_args(false);
}

void add_files(CLI::App& command, CommandLine& line) {
  command.add_option("--out", line.out, "directory for CSV files and report.html");
  command.add_flag("!--no-report", line.report, "CSV files only, no report.html");
  command.add_flag("--jobs-csv", line.jobs_csv, "also jobs.csv, one line a job");
}

int finish(const tariff::Status& status) {
  if (status) return 0;
  const auto text = status.error().text();
  std::cerr << "tariff-sim: " << text << (text.ends_with('\n') ? "" : "\n");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  // A gnuplot that is missing is an error to tell, not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Simulates Tariff's policies beside other schedulers.", "tariff-sim"};
  app.set_version_flag("--version", std::string("tariff-sim ") + TARIFF_VERSION);
  app.require_subcommand(1);
  CommandLine line;
  std::string figure;
  std::string shown = "author";
  int code = 0;
  using namespace tariff::sim;

  auto* figures = app.add_subcommand("figure", "a figure: burst, 4 or 5");
  figures->add_option("figure", figure)->required()->check(CLI::IsMember({"burst", "4", "5"}));
  figures->add_option("--profile", line.profile, "author, paper, tariff or a file");
  add_common(*figures, line);
  add_files(*figures, line);
  figures->callback([&] { code = finish(run_figure(line, figure)); });

  auto* run = app.add_subcommand("run", "all experiments of a profile");
  run->add_option("CONFIG", line.profile, "author, paper, tariff or a file")->required();
  run->add_option("--experiment", line.experiment, "only this one");
  add_common(*run, line);
  add_files(*run, line);
  run->callback([&] { code = finish(run_profile(line)); });

  auto* sweep = app.add_subcommand("sweep", "one experiment under several settings");
  sweep->add_option("CONFIG", line.profile, "author, paper, tariff or a file")->required();
  sweep->add_option("--experiment", line.experiment, "which")->required();
  sweep->add_option("--over", line.over, "for example placement.k=1,2,5; repeatable")
      ->required()->allow_extra_args(false);
  add_common(*sweep, line);
  sweep->callback([&] { code = finish(run_sweep(line)); });

  auto* compare = app.add_subcommand("compare", "one experiment of two profiles");
  compare->add_option("A", line.profile, "author, paper, tariff or a file")->required();
  compare->add_option("B", line.other, "another one")->required();
  compare->add_option("--experiment", line.experiment, "which")->required();
  add_common(*compare, line);
  compare->callback([&] { code = finish(run_compare(line)); });

  auto* profile = app.add_subcommand("profile", "prints a shipped profile");
  profile->add_option("NAME", shown, "author, paper or tariff");
  profile->callback([&] {
    const auto text = shipped_profile(shown);
    std::cout << text;
    if (text.empty()) std::cerr << "tariff-sim: there is no shipped profile '" << shown << "'\n";
    code = text.empty() ? 1 : 0;
  });

  CLI11_PARSE(app, argc, argv);
  return code;
}
