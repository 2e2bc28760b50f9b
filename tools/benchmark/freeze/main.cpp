// SPDX-License-Identifier: Apache-2.0
// How long a starved job takes to be frozen or killed, and how much of its own code
// runs above its class meanwhile, by four ways of doing it. Prints one JSON object.
//
//   freeze [--rounds=N] [--tree=DIRECTORY]    as root, on a machine without other load
//
// ways   wait           the request alone
//        raise-first    the tasks are raised, then the request is written, then raised on
//        request-first  what the product does (cgroup/boost.h)
//        reset-on-fork  the same, raised with SCHED_RESET_ON_FORK
// jobs   single: one loop; threads: 64 loops; bomb: forty loops that fork. Each counts its turns in
//        shared memory; a turn is about a microsecond of its own code.
// Each round starts a job at FIFO 10, lets it count, starts two hogs at FIFO 30 on every CPU, waits
// until the job has stopped counting, and freezes or kills it from FIFO 56.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cgroup/boost.h"

namespace {

using namespace tariff;
using namespace tariff::cgroup;

constexpr int kJob = 10, kHog = 30, kBoost = 54, kOwn = 56;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kPatience = 3'000 * kMillisecond;  // longer is "never": the hogs go on
constexpr int kThreads = 64;
constexpr int kLoops = 40;

std::int64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

void sleep_ns(std::int64_t duration) {
  const timespec time{duration / 1'000'000'000, duration % 1'000'000'000};
  ::nanosleep(&time, nullptr);
}

void take_fifo(int priority) {
  const sched_param wanted{priority};
  if (::sched_setscheduler(0, SCHED_FIFO, &wanted) == 0) return;
  std::perror("sched_setscheduler");
  std::_Exit(2);
}

/// Shared with the job: turns of its own code. `start` holds it back until it is in its leaf.
struct Shared {
  std::atomic<std::uint64_t> turns{0};
  std::atomic<bool> start{false};
};
Shared* shared = nullptr;

[[noreturn]] void count_turns() {
  for (;;) {
    volatile int work = 0;
    for (int i = 0; i < 100; ++i) work = work + i;
    shared->turns.fetch_add(1, std::memory_order_relaxed);
  }
}

[[noreturn]] void fork_for_ever() {
  for (;;) {
    const pid_t child = ::fork();
    if (child == 0) {
      shared->turns.fetch_add(1, std::memory_order_relaxed);
      ::_exit(0);
    }
    shared->turns.fetch_add(1, std::memory_order_relaxed);
    if (child > 0) (void)::waitpid(child, nullptr, 0);
  }
}

[[noreturn]] void be_job(const std::string& shape) {
  while (!shared->start) sleep_ns(kMillisecond);
  take_fifo(kJob);
  if (shape == "threads")
    for (int i = 1; i < kThreads; ++i) std::thread(count_turns).detach();
  if (shape == "bomb")
    for (int i = 0; i < kLoops; ++i)
      if (::fork() == 0) fork_for_ever();
  if (shape != "bomb") count_turns();
  for (;;) ::pause();
}

/// Raises before the request: what is compared with. Then goes on like the product.
Result<BoostReport> raise_then(LeafTarget& leaf, BoostGoal goal, const BoostOptions& options) {
  auto ids = leaf.tasks();
  if (!ids) return std::move(ids).error();
  for (const int tid : *ids) (void)leaf.set(tid, {kPolicyFifo, options.level, 0, false});
  if (goal == BoostGoal::Kill) return kill(leaf, options);
  (void)leaf.request(goal);
  (void)leaf.mark("1 1 10 0");
  auto done = recover(leaf, options);
  if (!done) return std::move(done).error();
  BoostReport report;
  report.reached = true;
  return report;
}

/// A leaf whose tasks are raised with SCHED_RESET_ON_FORK.
class ResettingLeaf final : public BoostTarget {
 public:
  explicit ResettingLeaf(LeafTarget& leaf) : leaf_(leaf) {}
  Result<State> state() override { return leaf_.state(); }
  Result<std::vector<int>> tasks() override { return leaf_.tasks(); }
  std::optional<Scheduling> scheduling(int tid) override {
    auto now = leaf_.scheduling(tid);
    if (now) now->reset_on_fork = false;
    return now;
  }
  bool set(int tid, const Scheduling& scheduling) override {
    Scheduling wanted = scheduling;
    wanted.reset_on_fork = scheduling.priority == kBoost;
    return leaf_.set(tid, wanted);
  }
  bool stranger(int tid) override { return leaf_.stranger(tid); }
  bool doomed(int tid) override { return leaf_.doomed(tid); }
  Status request(BoostGoal goal) override { return leaf_.request(goal); }
  Status withdraw_freeze() override { return leaf_.withdraw_freeze(); }
  Result<bool> freeze_requested() override { return leaf_.freeze_requested(); }
  Status mark(const std::string& record) override { return leaf_.mark(record); }
  std::optional<std::string> marked() override { return leaf_.marked(); }
  void unmark() override { leaf_.unmark(); }
  std::int64_t now() override { return leaf_.now(); }
  void wait(std::int64_t nanoseconds) override { leaf_.wait(nanoseconds); }

 private:
  LeafTarget& leaf_;
};

/// The request alone, until it is obeyed or the patience is over.
bool wait_only(LeafTarget& leaf, BoostGoal goal) {
  (void)leaf.request(goal);
  const std::int64_t until = now_ns() + kPatience;
  while (now_ns() < until) {
    const auto state = leaf.state();
    if (!state || (goal == BoostGoal::Freeze ? state->frozen : !state->populated)) return true;
    leaf.wait(20 * kMillisecond);
  }
  return false;
}

bool do_it(const std::string& way, LeafTarget& leaf, BoostGoal goal) {
  const BoostOptions options{{kPolicyFifo, kJob, 0, false}, kBoost, kPatience};
  if (way == "wait") return wait_only(leaf, goal);
  Result<BoostReport> report = Error{};
  ResettingLeaf resetting(leaf);
  BoostTarget& target = way == "reset-on-fork" ? static_cast<BoostTarget&>(resetting) : leaf;
  if (way == "raise-first") report = raise_then(leaf, goal, options);
  else report = goal == BoostGoal::Freeze ? freeze(target, options) : kill(target, options);
  if (!report) std::fprintf(stderr, "%s: %s\n", way.c_str(), report.error().text().c_str());
  return report && report->reached;
}

struct Sample {
  bool reached = false;
  double ms = 0;       ///< from the request to frozen or dead
  double own_us = 0;   ///< of the job's own code meanwhile, all of it above its class
};

void write_or_die(const std::string& path, std::string_view text) {
  auto written = write_file_at(AT_FDCWD, path, text);
  if (written) return;
  std::fprintf(stderr, "%s\n", written.error().text().c_str());
  std::_Exit(2);
}

std::vector<pid_t> start_hogs() {
  std::vector<pid_t> hogs;
  for (long i = 0; i < 2 * ::sysconf(_SC_NPROCESSORS_ONLN); ++i) {
    const pid_t hog = ::fork();
    if (hog == 0) {
      take_fifo(kHog);
      for (;;) {}
    }
    hogs.push_back(hog);
  }
  return hogs;
}

/// Turns per millisecond of CPU, to say turns as time: of a job that has been let run.
double pace_of(std::uint64_t turns, const std::string& leaf) {
  auto text = read_file_at(AT_FDCWD, leaf + "/cpu.stat");
  const std::size_t at = text ? text->find("usage_usec ") : std::string::npos;
  const double used = at == std::string::npos ? 0 : std::atof(text->c_str() + at + 11);
  return used > 0 ? static_cast<double>(turns) / used : 0;
}

Sample measure(const std::string& tree, const std::string& shape, const std::string& way,
               BoostGoal goal) {
  static int number = 0;
  const std::string path = tree + "/leaf-" + std::to_string(number++);
  ::mkdir(path.c_str(), 0755);
  auto directory = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  shared->turns = 0;
  shared->start = false;
  const pid_t job = ::fork();
  if (job == 0) {
    ::setsid();
    be_job(shape);
  }
  write_or_die(path + "/cgroup.procs", std::to_string(job));
  shared->start = true;
  sleep_ns(400 * kMillisecond);
  const double pace = pace_of(shared->turns, path);
  const auto hogs = start_hogs();
  sleep_ns(100 * kMillisecond);
  LeafTarget leaf(directory->get());
  Sample sample;
  const std::uint64_t before = shared->turns;
  const std::int64_t start = now_ns();
  sample.reached = do_it(way, leaf, goal);
  sample.ms = static_cast<double>(now_ns() - start) / 1e6;
  sample.own_us = pace > 0 ? static_cast<double>(shared->turns - before) / pace : 0;
  for (const pid_t hog : hogs) ::kill(hog, SIGKILL);
  for (const pid_t hog : hogs) ::waitpid(hog, nullptr, 0);
  write_or_die(path + "/cgroup.kill", "1");
  ::waitpid(job, nullptr, 0);
  for (int i = 0; ::rmdir(path.c_str()) < 0 && i < 500; ++i) sleep_ns(10 * kMillisecond);
  return sample;
}

double at(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(share * last + 0.5)];
}

void print_row(bool first, const char* goal, const std::string& shape, const std::string& way,
               const std::vector<Sample>& samples) {
  std::vector<double> ms, own;
  int reached = 0, above = 0;
  for (const auto& sample : samples) {
    ms.push_back(sample.ms);
    own.push_back(sample.own_us);
    reached += sample.reached ? 1 : 0;
    above += sample.own_us > 0 ? 1 : 0;
  }
  std::printf("%s\n  {\"goal\": \"%s\", \"job\": \"%s\", \"way\": \"%s\", \"n\": %zu, "
              "\"reached\": %d, \"ms_p50\": %.2f, \"ms_max\": %.2f, \"ran_above\": %d, "
              "\"own_us_p50\": %.0f, \"own_us_max\": %.0f}",
              first ? "" : ",", goal, shape.c_str(), way.c_str(), samples.size(), reached,
              at(ms, 0.5), at(ms, 1), above, at(own, 0.5), at(own, 1));
  std::fflush(stdout);
}

int run(const std::string& tree, int rounds) {
  ::mkdir(tree.c_str(), 0755);
  write_or_die(tree + "/cgroup.subtree_control", "+cpu +pids");
  bool first = true;
  std::printf("{\"cpus\": %ld, \"rows\": [", ::sysconf(_SC_NPROCESSORS_ONLN));
  for (const BoostGoal goal : {BoostGoal::Freeze, BoostGoal::Kill})
    for (const char* shape : {"single", "threads", "bomb"})
      for (const char* way : {"wait", "raise-first", "request-first", "reset-on-fork"}) {
        std::vector<Sample> samples;
        const int wanted = std::string_view(way) == "wait" ? std::min(rounds, 2) : rounds;
        while (static_cast<int>(samples.size()) < wanted)
          samples.push_back(measure(tree, shape, way, goal));
        print_row(first, goal == BoostGoal::Freeze ? "freeze" : "kill", shape, way, samples);
        first = false;
      }
  std::puts("\n]}");
  ::rmdir(tree.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 20;
  std::string tree = "/sys/fs/cgroup/freeze-bench";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with("--rounds=")) rounds = std::atoi(argv[i] + 9);
    else if (word.starts_with("--tree=")) tree = word.substr(7);
    else return std::fprintf(stderr, "unknown option %s\n", argv[i]), 2;
  }
  shared = new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;
  (void)write_file_at(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control", "+cpu +pids");
  take_fifo(kOwn);
  return run(tree, std::max(rounds, 1));
}
