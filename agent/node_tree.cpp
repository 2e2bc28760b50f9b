// SPDX-License-Identifier: Apache-2.0
// What the node does to cgroups and to the machine: the job tree, its limits, the CPUs. All of it
// may block, so all of it is done on the worker.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/log.h"
#include "agent/machine.h"
#include "agent/node.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;
constexpr auto use_result = asio::as_tuple(asio::use_awaitable);

constexpr const char* kHolderUnit = "tariff-jobs.service";
// Where systemd puts the holder's unit; used when D-Bus cannot be asked (early boot, rescue).
constexpr const char* kDefaultTree = "/sys/fs/cgroup/tariff.slice/tariff-jobs.service";
constexpr const char* kCgroupMount = "/sys/fs/cgroup";
constexpr std::uint64_t kSmallestReserve = 512ULL << 20;  // design: max(10% of RAM, 512 MiB)
constexpr auto kHolderStart = 1s;  // after asking for it, until the tree is looked for again
// A CPU and a new slice come with several events: the plan is made once, after the last.
constexpr auto kEventsSettle = 100ms;
// What systemd did not do (it may be starved) is asked of it again.
constexpr auto kAskAgain = 30s;

bool is_tree(const std::string& path) {
  return !path.empty() && ::access((path + "/cgroup.procs").c_str(), F_OK) == 0;
}

struct OpenedTree {
  std::string path;
  CpuPlan plan;
  Result<cgroup::ClassTree> tree;
  Status ensured = ok();
};

/// On the worker. systemd is asked where the tree is only when it is not where it was.
OpenedTree open_class_tree(SystemdLink& systemd, std::string path,
                           const config::NodeConfig& config) {
  if (!is_tree(path)) {
    const auto group =
        systemd.call([](systemd::Units& units) { return units.control_group(kHolderUnit); });
    path = group ? kCgroupMount + *group : kDefaultTree;
  }
  auto plan = plan_cpus(config.cpus, read_cpus(path));
  OpenedTree out{path, std::move(plan), cgroup::ClassTree::open(path)};
  if (out.tree)
    out.ensured = out.tree->ensure(config.classes, config.cpu_enforcement,
                                   out.plan.reserved ? out.plan.classes : cgroup::CpuSet{});
  return out;
}

}  // namespace

asio::awaitable<Status> Node::open_tree() {
  const auto opening = [this, path = state_.tree_path, config = state_.config] {
    return open_class_tree(systemd_, path, config);
  };
  auto opened = co_await worker_.run(opening);
  state_.tree_path = opened.path;
  take_plan(std::move(opened.plan));
  if (!opened.tree) co_return std::move(opened.tree).error().context("opening the job tree");
  tree_ = std::move(*opened.tree);
  co_return opened.ensured;
}

void Node::take_plan(CpuPlan plan) {
  if (plan == state_.cpus) return;
  const bool lost = state_.cpus.reserved && !plan.reserved &&
                    state_.config.cpus.mode != config::CpuMode::Shared;
  cpu_lost_ = !plan.reserved && (lost || cpu_lost_) &&
              state_.config.cpus.mode != config::CpuMode::Shared;
  state_.cpus = std::move(plan);
  const auto& now = state_.cpus;
  log(lost ? LogLevel::Warning : LogLevel::Info,
      "CPUs are " + std::string(mode_word(now)) + ": system " + cgroup::cpu_list(now.system) +
          ", jobs " + cgroup::cpu_list(now.classes) + " (" + now.why + ")");
}

asio::awaitable<void> Node::set_memory_limit() {
  const auto total = read_memory().total;
  const auto reserve = state_.config.limits.memory_reserve_bytes != 0
                           ? state_.config.limits.memory_reserve_bytes
                           : std::max(total / 10, kSmallestReserve);
  if (total <= reserve) co_return;
  const auto most = state_.job_memory_max = total - reserve;
  if (memory_limit_set_ == most) co_return;
  const auto limiting = [this, most] {
    return systemd_.call([most](systemd::Units& units) {
      return units.set_runtime(kHolderUnit, {{"MemoryMax", most}});
    });
  };
  const auto set = co_await worker_.run(limiting);
  if (set) memory_limit_set_ = most;
  else log(LogLevel::Warning, "the job tree's memory is not limited: " + set.error().text());
}

asio::awaitable<void> Node::configure_launcher() {
  if (!launcher_.ready()) co_return;
  auto reply = co_await launcher_.request(configure_request());
  if (!reply) log(LogLevel::Error, reply.error().text());
  else if (reply->message.has_failure())
    log(LogLevel::Error, "the launcher refused its configuration: " +
                             reply->message.failure().message());
}

asio::awaitable<void> Node::watch_host() {
  auto watched = co_await host_events_.run();
  if (!watched && !stopping_)
    log(LogLevel::Warning, "a CPU that comes or goes will not be noticed before a reload: " +
                               watched.error().text());
}

asio::awaitable<void> Node::keep_cpus() {
  while (!stopping_) {
    cpus_due_ = false;
    co_await set_memory_limit();
    co_await settle_cpus();
    if (!cpus_due_ && !stopping_) {
      const bool complete = cpu_complaints_ == 0 && memory_limit_set_ != 0;
      if (complete) cpu_timer_.expires_at(asio::steady_timer::time_point::max());
      else cpu_timer_.expires_after(kAskAgain);
      co_await cpu_timer_.async_wait(use_result);
    }
    if (stopping_) co_return;
    cpu_timer_.expires_after(kEventsSettle);
    co_await cpu_timer_.async_wait(use_result);
  }
}

/// Plans anew and puts the plan into effect: the classes' cpusets first, then the host around them.
asio::awaitable<void> Node::settle_cpus() {
  const auto before = state_.cpus;
  if (auto opened = co_await open_tree(); !opened) log(LogLevel::Error, opened.error().text());
  if (before.classes.size() != state_.cpus.classes.size()) co_await configure_launcher();
  const auto applying = [this, plan = state_.cpus] { return host_.apply(plan); };
  const auto outcome = co_await worker_.run(applying);
  const auto checking = [] { return starvation_warnings(); };
  const auto starving = co_await worker_.run(checking);
  std::vector<std::string> warnings;
  if (!state_.cpus.warning.empty()) warnings.push_back(state_.cpus.warning);
  else if (cpu_lost_)
    warnings.push_back("the CPUs are shared since a CPU went away: " + state_.cpus.why);
  for (const auto& text : starving) warnings.push_back(text);
  for (const auto& text : outcome.complaints) warnings.push_back("reserving CPUs: " + text);
  for (const auto& text : warnings)
    if (std::find(state_.cpu_warnings.begin(), state_.cpu_warnings.end(), text) ==
        state_.cpu_warnings.end())
      log(LogLevel::Warning, text);
  state_.cpu_warnings = std::move(warnings);
  cpu_complaints_ = outcome.complaints.size();
  state_.host_changes = outcome.record.changes.size();
  state_.host_changes_refused = outcome.record.refused.size();
}

bool Node::tree_is_there() const { return is_tree(state_.tree_path); }

bool Node::tree_is_whole() const {
  return tree_is_there() && tree_ && tree_->complete(state_.config.classes);
}

/// When the holder dies, systemd removes every empty cgroup below it (measured on 252), and the
/// whole tree once the last job has left. Class cgroups are made again at once; the holder, and
/// with it the tree, when the tree is gone. True: something was mended. The launcher is configured
/// twice, since its ready leaves went, too.
asio::awaitable<bool> Node::restore_tree() {
  if (tree_is_whole()) co_return false;
  if (!tree_is_there()) {
    log(LogLevel::Error, "the job tree " + state_.tree_path + " is gone; starting the holder");
    const auto starting = [this] {
      return systemd_.call([](systemd::Units& units) { return units.start(kHolderUnit); });
    };
    const auto started = co_await worker_.run(starting);
    if (!started) log(LogLevel::Error, started.error().text());
    asio::steady_timer pause(io_, kHolderStart);
    co_await pause.async_wait(use_result);
    if (!tree_is_there()) co_return false;
  }
  if (auto opened = co_await open_tree(); !opened) {
    log(LogLevel::Error, opened.error().text());
    co_return false;
  }
  memory_limit_set_ = 0;
  cpus_due_ = true;
  cpu_timer_.cancel();
  const auto complete = configure_request();
  auto without_leaves = complete;
  without_leaves.mutable_configure()->set_leaf_pool(0);
  for (const auto& request : {without_leaves, complete}) {
    auto reply = co_await launcher_.request(request);
    if (!reply) log(LogLevel::Error, reply.error().text());
  }
  log(LogLevel::Warning, "the job tree was not whole and has been mended");
  co_return true;
}

}  // namespace tariff::agent
