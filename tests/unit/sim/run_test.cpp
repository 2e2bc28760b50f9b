// SPDX-License-Identifier: Apache-2.0
// Whole runs: what the figures must show, the same from the same seed, memory kept.
// These builds run the invariant checkers after every event.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "sim/batch.h"
#include "sim/burst_view.h"
#include "sim/output.h"
#include "sim/plot.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::sim;

namespace {

Experiment experiment(const std::string& profile, const std::string& name,
                      std::vector<Setting> settings = {}) {
  auto loaded = load_profile(profile, settings);
  if (!loaded) FAIL(loaded.error().text());
  const auto* found = loaded->find(name);
  REQUIRE(found != nullptr);
  return *found;
}

std::vector<RunSummary> run_all(const Experiment& experiment, int seeds = 1, int threads = 1) {
  auto runs = run_batch(experiment, {seeds, threads, {}});
  if (!runs) FAIL(runs.error().text());
  return std::move(*runs);
}

const RunSummary& of(const std::vector<RunSummary>& runs, System system, std::uint32_t load) {
  for (const auto& run : runs)
    if (run.system == system && run.load == load) return run;
  FAIL("no such run");
  return runs[0];
}

double share_of_lowest_two(const RunSummary& run) {
  double all = 0;
  for (const auto& row : run.classes) all += static_cast<double>(row.swapped);
  return static_cast<double>(run.classes[0].swapped + run.classes[1].swapped) / all;
}

}  // namespace

TEST_CASE("the workload is section 4.1's") {
  WorkloadSettings settings;
  const auto source = generate(settings, 1'000, 200, 3);
  double runtime = 0;
  double memory = 0;
  std::vector<double> classes(5);
  int jobs = 0;
  for (auto batch = source->next(); !batch.empty(); batch = source->next()) {
    REQUIRE(batch.size() == 1'000);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (i > 0) REQUIRE(batch[i].rank <= batch[i - 1].rank);
      REQUIRE(batch[i].at == batch[0].at);
      runtime += static_cast<double>(batch[i].runtime) / static_cast<double>(kTick);
      memory += batch[i].most_memory / static_cast<double>(kMegabyte);
      ++classes[batch[i].rank - 1U];
      ++jobs;
    }
  }
  CHECK(jobs == 200'000);
  CHECK(runtime / jobs == Approx(3.36).margin(0.02));
  CHECK(memory / jobs == Approx(5'050).margin(20));
  const std::vector<double> weights = {35, 25, 2, 15, 23};
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(classes[i] / jobs * 100 == Approx(weights[i]).margin(0.5));
}

TEST_CASE("figure 4, author: what the paper shows") {
  const auto runs = run_all(experiment("author", "figure-4", {{"loads", "[120, 180, 210, 230]"}}));
  for (const auto load : {120U, 180U, 210U, 230U})
    for (std::size_t rank = 2; rank < 5; ++rank)
      CHECK(of(runs, System::Tariff, load).classes[rank].p99 <= 1.01);
  for (const auto& row : of(runs, System::HermodPsTick, 180).classes) CHECK(row.p99 <= 1.05);
  for (const auto& row : of(runs, System::HermodPsTick, 210).classes)
    CHECK(row.p99 == Approx(3.5).margin(0.15));
  CHECK(of(runs, System::HermodPsTick, 230).classes[0].p99 > 4);
  for (const auto& row : of(runs, System::HermodPs, 230).classes) CHECK(row.p99 < 2);
  CHECK(of(runs, System::Tariff, 230).classes[0].p99 > 10);
  CHECK(of(runs, System::Edf, 230).classes[0].p99 < 1.6);
}

TEST_CASE("figure 5, author: swapping is the low classes' and grows steeply") {
  const auto runs = run_all(experiment("author", "figure-5", {{"loads", "[100, 150, 200]"}}));
  const auto swapped = [&](std::uint32_t load) {
    double sum = 0;
    for (const auto& row : of(runs, System::Tariff, load).classes)
      sum += static_cast<double>(row.swapped);
    return sum;
  };
  CHECK(swapped(150) > 10 * swapped(100));
  CHECK(swapped(200) > 5 * swapped(150));
  CHECK(share_of_lowest_two(of(runs, System::Tariff, 200)) >= 0.98);
  CHECK(of(runs, System::Tariff, 100).memory.size() == kUtilisationQuantiles.size());
}

TEST_CASE("figure 5 with swap/policy: no job is lost, and the low classes leave") {
  const auto runs = run_all(experiment(
      "tariff", "figure-5", {{"loads", "[60, 110]"}, {"ticks", "60"}, {"machines.count", "20"},
                             {"workload.steps", "[{from: 0, load: 20}]"}}));
  for (const auto& run : runs) {
    CHECK(run.swap_outs > 0);
    CHECK(share_of_lowest_two(run) > 0.9);
  }
}

TEST_CASE("much memory needs no swapping, whoever decides") {
  for (const char* profile : {"author", "paper", "tariff"}) {
    const auto runs = run_all(experiment(profile, "figure-5", {{"loads", "[150]"},
                                                               {"ticks", "40"},
                                                               {"machines.ram", "1000000"}}));
    CHECK(runs[0].swap_outs == 0);
    CHECK(runs[0].kills == 0);
  }
}

TEST_CASE("one seed is one result, on any number of threads") {
  const auto its = experiment("tariff", "figure-4", {{"loads", "[150, 230]"}, {"ticks", "50"}});
  const auto once = run_all(its, 2, 1);
  const auto again = run_all(its, 2, 3);
  CHECK(digest_of(once) == digest_of(again));
  CHECK(table(its, once) == table(its, again));
  auto other = its;
  other.settings.seed = 9;
  CHECK(digest_of(run_all(other, 2)) != digest_of(once));
}

TEST_CASE("all systems run the very same jobs") {
  const auto runs =
      run_all(experiment("author", "figure-4", {{"loads", "[150]"}, {"ticks", "30"}}));
  REQUIRE(runs.size() == 5);
  for (const auto& run : runs)
    for (std::size_t rank = 0; rank < 5; ++rank)
      CHECK(run.classes[rank].finished + run.classes[rank].unfinished ==
            runs[0].classes[rank].finished + runs[0].classes[rank].unfinished);
}

TEST_CASE("decisions that take too long make jobs wait, and the rule says who") {
  // Two shards decide 20 jobs a tick each; 45 come.
  const auto waits = [](const char* rule) {
    const auto runs = run_all(experiment("tariff", "figure-4",
        {{"loads", "[45]"}, {"systems", "[tariff]"}, {"placement.service_time", "0.05"},
         {"placement.shards", "2"}, {"placement.queue", rule}}));
    CHECK(runs[0].waited > 0);
    CHECK(runs[0].queue_longest > 100);
    return runs[0].classes;
  };
  const auto product = waits("product");
  const auto strict = waits("strict");
  CHECK(strict[4].wait_p99 < product[4].wait_p99);
  CHECK(product[4].wait_p99 < product[0].wait_p99);
  CHECK(strict[0].wait_p99 > 1.3 * product[0].wait_p99);
}

TEST_CASE("machines refuse above max_jobs_per_class, and the jobs wait at the shard") {
  const auto runs = run_all(experiment("tariff", "figure-4",
      {{"loads", "[60]"}, {"ticks", "40"}, {"systems", "[tariff]"}, {"machines.count", "10"},
       {"placement.max_jobs_per_class", "4"}, {"placement.max_wait", "3"},
       {"placement.overdue", "reject"}}));
  CHECK(runs[0].refusals > 0);
  CHECK(runs[0].classes[0].lost > 0);
  CHECK(runs[0].classes[4].lost < runs[0].classes[0].lost);
}

TEST_CASE("latency of messages, cold starts and failures cost what they should") {
  const auto p50 = [](std::vector<Setting> settings) {
    settings.insert(settings.end(), {{"loads", "[50]"}, {"ticks", "60"}, {"systems", "[tariff]"},
                                     {"workload.deviation", "0"}, {"workload.mean", "1"}});
    return run_all(experiment("tariff", "figure-4", settings))[0].classes[4].p50;
  };
  CHECK(p50({}) == Approx(1).margin(0.01));
  CHECK(p50({{"placement.communication", "0.1"}}) == Approx(1.3).margin(0.02));
  CHECK(p50({{"jobs.cold_share", "1"}, {"jobs.cold_time", "0.5"}}) == Approx(1.5).margin(0.02));
  CHECK(p50({{"failures", "[{what: agents, share: 0.5, at: 10, time: 20}, "
                          "{what: shards, share: 0.5, at: 30, time: 20}]"}}) ==
        Approx(1).margin(0.01));
}

TEST_CASE("a trace is run as it is written") {
  WorkloadSettings settings;
  auto read = read_trace("time,function,class,runtime,memory\n0.5,home,critical,0.25,100\n"
                         "0,resize,bulk,4,2000\n", settings, 1);
  REQUIRE(read);
  const Batches batches(std::move(*read));
  const auto source = batches.source();
  const auto first = source->next();
  REQUIRE(first.size() == 1);
  CHECK(first[0].rank == 1);
  CHECK(first[0].runtime == 4 * kTick);
  CHECK(first[0].most_memory == 2'000 * kMegabyte);
  CHECK(source->next()[0].at == kTick / 2);
  CHECK(source->next().empty());

  auto wrong = read_trace("time\n1,home,gold,1,1\n", settings, 1);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message == "line 2: there is no class 'gold'");
  CHECK(read_trace("time\n", settings, 1).error().message == "it has no jobs");
}

TEST_CASE("the public Azure trace is read, a function keeps its class") {
  WorkloadSettings settings;
  settings.trace_format = "azure";
  const auto read = read_trace("app,func,end_timestamp,duration\na,f,10.5,0.5\na,f,12,1\nb,f,3,0\n",
                               settings, 1);
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  CHECK((*read)[0].at == 10 * kTick);
  CHECK((*read)[0].rank == (*read)[1].rank);
  CHECK((*read)[0].function == (*read)[1].function);
  CHECK((*read)[2].runtime == kTick / 1'000);
}

TEST_CASE("a profile's errors are told with their places, all at once") {
  const auto told = [](const std::string& text, std::vector<Setting> settings = {}) {
    const auto profile = parse_profile("p.yaml", text, settings);
    return profile ? std::string() : profile.error().message;
  };
  CHECK(told("ticks: 10\n").empty());
  const auto text = told("placement: {k: 0, quue: strict}\nmachines: {ram: much}\n");
  CHECK(text.find("p.yaml:1:16: error: 'k' is not a number from 1 to 1e+07") != std::string::npos);
  CHECK(text.find("did you mean 'queue'?") != std::string::npos);
  CHECK(text.find("p.yaml:2:17: error: 'ram'") != std::string::npos);
  CHECK(told("ticks: 10\n", {{"placement.kk", "3"}}).find("--set") != std::string::npos);
  CHECK(told("ticks: 0\n").find("at least 1") != std::string::npos);
  CHECK(told("placement: {idle_list: {look: 0}}\n").find("'look' must be above 0") !=
        std::string::npos);
  CHECK(told("experiments: {a: {loads: [5], what: 1}}\n").find("no key 'what'") !=
        std::string::npos);
}

TEST_CASE("what --set says holds over what an experiment says") {
  const auto its = experiment("author", "figure-5", {{"placement.idle_list.use", "false"},
                                                     {"loads", "[77]"}});
  CHECK_FALSE(its.settings.placement.shard.use_idle_list);
  CHECK(its.loads == std::vector<std::uint32_t>{77});
  CHECK(its.settings.placement.shard.idle.drop_at_jobs == 8U);
}

TEST_CASE("what cannot be simulated is refused") {
  const auto its = experiment("author", "figure-4", {{"memory.swapping", "instant"}});
  const auto runs = run_batch(its, {});
  REQUIRE_FALSE(runs);
  CHECK(runs.error().message.find("hermod-ps-tick simulates neither") != std::string::npos);
}

TEST_CASE("quantiles interpolate, and seeds give an interval") {
  std::vector<float> values = {5, 1, 4, 2, 3};
  const auto got = quantiles(values, {0, 0.25, 0.9, 1});
  const std::vector<double> expected = {1, 2, 4.6, 5};
  for (std::size_t i = 0; i < 4; ++i) CHECK(got[i] == Approx(expected[i]));
  std::vector<float> none;
  CHECK(std::isnan(quantile(none, 0.5)));
  const auto its = estimate({1, 2, 3});
  CHECK(its.mean == Approx(2));
  CHECK(its.half == Approx(4.303 / std::sqrt(3.0)));
  CHECK(estimate({7}).half == 0);
}

TEST_CASE("the burst is drawn for each class, dearest first") {
  auto its = experiment("author", "burst");
  its.settings.keep_all = true;
  const auto text = draw_burst(its, run_all(its), {100, false});
  CHECK(text.find("hermod-ps-tick") != std::string::npos);
  CHECK(text.find("critical") < text.find("bulk"));
  CHECK(text.find("230") != std::string::npos);
  CHECK(text.find("\x1b") == std::string::npos);
}

TEST_CASE("the report's plots have all systems and classes, with bands") {
  const auto its = experiment("author", "figure-5", {{"loads", "[150, 200]"}, {"ticks", "40"}});
  const auto plots = plots_of(its, run_all(its, 3));
  REQUIRE(plots.size() == 5);
  for (const char* name : {"latency", "compute", "swapped", "machines", "memory"})
    CHECK(std::any_of(plots.begin(), plots.end(), [&](auto& plot) { return plot.name == name; }));
  CHECK(plots[0].script.find("title 'critical 2'") != std::string::npos);
  CHECK(plots[0].script.find("filledcurves") != std::string::npos);
  CHECK(plots[0].script.find("nan") == std::string::npos);
}

TEST_CASE("CSV files have the columns that are promised") {
  const auto its = experiment("author", "figure-5", {{"loads", "[190]"}, {"ticks", "30"}});
  const auto runs = run_all(its);
  const auto directory = std::filesystem::temp_directory_path() /
                         ("tariff-sim-test-" + std::to_string(::getpid()));
  REQUIRE(write_csv(directory, its, runs));
  const auto lines = [&](const char* name) {
    std::ifstream file(directory / name);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
  };
  CHECK(lines("slowdown.csv")[0] == "system,load,price,jobs,unfinished,p50,p99,p99_censored");
  CHECK(lines("slowdown.csv").size() == 6);
  CHECK(lines("slowdown.csv")[1].starts_with("tariff,190,0.3,"));
  CHECK(lines("swapped.csv")[0] == "load,price,jobs,swapped");
  CHECK(lines("machines.csv")[0] == "load,machine,swapped_mb");
  CHECK(lines("machines.csv").size() == 101);
  CHECK(lines("utilisation.csv")[0] == "system,load,kind,quantile,value");
  CHECK(lines("utilisation.csv").size() == 1 + 2 * kUtilisationQuantiles.size());
  CHECK_FALSE(std::filesystem::exists(directory / "jobs.csv"));
  std::filesystem::remove_all(directory);
}

TEST_CASE("hermod places without looking at classes, whatever the profile says") {
  const auto digest = [](const char* count, const char* rule) {
    const auto its = experiment("tariff", "figure-4",
        {{"loads", "[210]"}, {"ticks", "30"}, {"systems", "[hermod-ps]"},
         {"placement.service_time", "0.01"}, {"placement.count", count},
         {"placement.queue", rule}});
    return digest_of(run_all(its));
  };
  CHECK(digest("all", "product") == digest("at-least-my-class", "product"));
  CHECK(digest("all", "product") == digest("all", "strict"));
}
