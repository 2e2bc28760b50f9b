// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
#include <thread>

#include "agent/job_figures.h"
#include "agent/metrics_text.h"
#include "agent/snapshot_exchange.h"
#include "support/catch.h"

using namespace tariff::agent;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::array kBounds = {1.0, 2.0, 4.0};

/// Accepted at 1 ms; launched, first ran, initialised, exited and ended at these.
JobTimes job(std::int64_t launched, std::int64_t first_ran, std::int64_t initialised,
             std::int64_t exited, std::int64_t ended) {
  return {1 * kMs, launched * kMs, first_ran * kMs, initialised * kMs, exited * kMs, ended * kMs};
}

bool near(double value, double expected) { return std::abs(value - expected) < 1e-9; }

std::size_t lines_with(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a histogram counts each value in the first bucket that holds it", "[figures]") {
  Histogram histogram(kBounds);
  for (const double value : {0.5, 1.0, 1.5, 4.0, 100.0}) histogram.observe(value);
  CHECK(histogram.cumulative(0) == 2);
  CHECK(histogram.cumulative(1) == 3);
  CHECK(histogram.cumulative(2) == 4);
  CHECK(histogram.count() == 5);
  CHECK(near(histogram.sum(), 107.0));
}

TEST_CASE("what is negative or no number counts as nothing", "[figures]") {
  Histogram histogram(kBounds);
  histogram.observe(-5);
  histogram.observe(std::nan(""));
  CHECK(histogram.cumulative(0) == 2);
  CHECK(near(histogram.sum(), 0));
}

TEST_CASE("a job that never waited was not slowed down", "[figures]") {
  auto times = job(1, 1, 0, 101, 101);
  times.cpu_us = 100'000;
  CHECK(near(*slowdown_of(times), 1.0));
}

TEST_CASE("slowdown counts the launch, the wait for a CPU and the time frozen, each once",
          "[figures]") {
  // 400 ms in all: 100 until it ran (of which 98 as pressure), 50 later without a CPU, 50 frozen.
  auto times = job(3, 101, 0, 401, 401);
  times.cpu_pressure_us = 98'000 + 50'000;
  times.frozen_ns = 50 * kMs;
  times.cpu_us = 150'000;
  CHECK(near(*slowdown_of(times), 400.0 / 200.0));
}

TEST_CASE("slowdown never exceeds latency over CPU time", "[figures]") {
  auto times = job(1, 1, 0, 1001, 1001);
  times.cpu_pressure_us = 1'000'000;  // 64 threads on two CPUs: one of them always waits
  times.cpu_us = 500'000;
  CHECK(near(*slowdown_of(times), 2.0));
}

TEST_CASE("a job that never ran has no slowdown and no steps it did not take", "[figures]") {
  JobFigures figures;
  const auto times = job(2, 0, 0, 0, 11);
  CHECK_FALSE(slowdown_of(times));
  figures.add(times, 7, false);
  CHECK(figures.slowdown.count() == 0);
  CHECK(figures.latency.count() == 1);
  CHECK(figures.hops[0].count() == 1);
  for (std::size_t hop = 1; hop < kHops; ++hop) CHECK(figures.hops[hop].count() == 0);
}

TEST_CASE("steps add up to the latency", "[figures]") {
  for (const std::int64_t initialised : {0, 30}) {
    JobFigures figures;
    figures.add(job(3, 8, initialised, 90, 101), 1, true);
    double sum = 0;
    for (const auto& hop : figures.hops) sum += hop.sum();
    CHECK(near(sum, 0.1));
    CHECK(near(figures.latency.sum(), 0.1));
    CHECK(figures.hops[2].count() == (initialised == 0 ? 0U : 1U));
  }
}

TEST_CASE("ends are counted by reason, unknown reasons together", "[figures]") {
  JobFigures figures;
  figures.add(job(1, 1, 0, 2, 2), 1, true);
  figures.add(job(1, 1, 0, 2, 2), 1, false);
  figures.add(job(1, 1, 0, 2, 2), 4, false);
  figures.add(job(1, 1, 0, 2, 2), 4711, false);
  CHECK(figures.ok == 1);
  CHECK(figures.not_ok[1] == 1);
  CHECK(figures.not_ok[4] == 1);
  CHECK(figures.not_ok[kEndReasons - 1] == 1);
}

TEST_CASE("the page has every metric before anything has happened", "[figures]") {
  MetricsSnapshot snapshot;
  snapshot.classes.resize(1);
  snapshot.classes[0].name = "bulk";
  snapshot.refused = {{"draining", 0}};
  const auto text = metrics_text(snapshot, {ClassCgroup{}}, {});
  CHECK(lines_with(text, "tariff_jobs_ended_total{class=\"bulk\",reason=\"ok\"} 0\n") == 1);
  CHECK(lines_with(text, "reason=\"out_of_memory\"} 0\n") == 1);
  CHECK(lines_with(text, "tariff_placements_refused_total{reason=\"draining\"} 0\n") == 1);
  CHECK(lines_with(text, "tariff_job_hop_seconds_count{") == kHops);
  CHECK(lines_with(text, "le=\"+Inf\"} 0\n") == 2 + kHops);
}

TEST_CASE("what a class is called cannot break the page", "[figures]") {
  MetricsSnapshot snapshot;
  snapshot.version = "1\"\n\\";
  CHECK(lines_with(metrics_text(snapshot, {}, {}), "version=\"1\\\"\\n\\\\\"") == 1);
}

TEST_CASE("the newest value crosses to the reader whole, and none is made twice", "[figures]") {
  struct Pair {
    int first = 0;
    int second = 0;
  };
  SnapshotExchange<Pair> exchange;
  constexpr int kValues = 100'000;
  std::thread writer([&exchange] {
    for (int i = 1; i <= kValues; ++i) {
      exchange.back() = {i, -i};
      exchange.publish();
    }
  });
  int last = 0;
  while (last < kValues) {
    const Pair& pair = exchange.newest();
    if (pair.first != -pair.second || pair.first < last) {
      CHECK(pair.first == -pair.second);
      CHECK(pair.first >= last);
      break;
    }
    last = pair.first;
  }
  writer.join();
  CHECK(exchange.newest().first == kValues);
}
