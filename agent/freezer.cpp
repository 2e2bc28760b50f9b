// SPDX-License-Identifier: Apache-2.0
#include "agent/freezer.h"

#include <fcntl.h>

#include <filesystem>

#include "agent/class_policy.h"
#include "cgroup/tree.h"

namespace tariff::agent {
namespace {

// A job that runs or starves is frozen within milliseconds; one in uninterruptible sleep (a dead
// network disk) perhaps never.
constexpr std::int64_t kPatience = 2'000'000'000;

/// Of a class that is not configured any more: the lowest there is.
cgroup::Scheduling scheduling_of(const config::NodeConfig& config,
                                 const config::PriceClass* price_class) {
  cgroup::Scheduling own;
  if (config.cpu_enforcement != config::CpuEnforcement::Fifo) return own;
  const int classes = static_cast<int>(config.classes.size());
  own.policy = cgroup::kPolicyFifo;
  own.priority = config.fifo.classes_low;
  if (price_class == nullptr) return own;
  const auto knobs = knobs_of(*price_class, classes, config.cpu_enforcement);
  own.priority = knobs.priority;
  if (knobs.round_robin) own.policy = cgroup::kPolicyRoundRobin;
  return own;
}

cgroup::BoostOptions options_of(const config::NodeConfig& config,
                                const config::PriceClass* price_class) {
  return {scheduling_of(config, price_class), config.fifo.boost, kPatience};
}

struct Recovered {
  std::vector<std::string> frozen;  ///< leaves, as records name them
  std::vector<std::string> lines;
};

void recover_leaf(const std::string& directory, const std::string& leaf,
                  const cgroup::BoostOptions& options, Recovered& found) {
  auto opened = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return;  // removed meanwhile
  cgroup::LeafTarget target(opened->get());
  auto done = cgroup::recover(target, options);
  if (!done) found.lines.push_back("job cgroup " + leaf + ": " + done.error().text());
  else if (*done)
    found.lines.push_back("job cgroup " + leaf + " was left raised by an earlier agent: " +
                          (**done == cgroup::BoostRecovery::FinishFreezing
                               ? "it is frozen, as was asked for" : "put back"));
  const auto frozen = target.freeze_requested();
  if (frozen && *frozen) found.frozen.push_back(leaf);
}

std::vector<std::string> directories_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(path, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    if (entry->is_directory(error)) names.push_back(entry->path().filename());
  return names;
}

}  // namespace

Result<Freezer::Place> Freezer::place_of(const config::NodeConfig& config,
                                         const std::string& tree, const std::string& id) const {
  const auto* record = jobs_.find(id);
  if (record == nullptr) return Error{ErrorKind::NotFound, "no job " + id + " is known here", {}};
  if (record->state() == launcher::STATE_ENDED)
    return Error{ErrorKind::FailedPrecondition, "job " + id + " has ended", {}};
  if (record->leaf().empty() || record->state() == launcher::STATE_LAUNCHING)
    return Error{ErrorKind::FailedPrecondition, "job " + id + " is still being started",
                 "try again"};
  if (busy_.contains(id))
    return Error{ErrorKind::FailedPrecondition, "job " + id + " is being frozen or thawed",
                 "try again"};
  return Place{tree + "/" + record->leaf(), record->leaf(),
               options_of(config, find_class(config, record->class_run()))};
}

asio::awaitable<Result<Freezer::Frozen>> Freezer::freeze(const config::NodeConfig& config,
                                                         std::string tree, std::string id) {
  auto place = place_of(config, tree, id);
  if (!place) co_return std::move(place).error();
  if (jobs_.frozen_leaf(place->leaf)) {
    Frozen already;
    already.already = true;
    co_return already;
  }
  busy_.insert(id);
  const auto freezing = [directory = place->directory,
                         options = place->options]() -> Result<cgroup::BoostReport> {
    auto opened = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    if (!opened) return std::move(opened).error();
    cgroup::LeafTarget target(opened->get());
    return cgroup::freeze(target, options);
  };
  auto report = co_await worker_.run(freezing);
  busy_.erase(id);
  if (!report) co_return std::move(report).error().context("freezing job " + id);
  jobs_.set_frozen(id, place->leaf, true);
  Frozen frozen;
  frozen.report = *report;
  co_return frozen;
}

asio::awaitable<Result<bool>> Freezer::thaw(const config::NodeConfig& config, std::string tree,
                                            std::string id) {
  auto place = place_of(config, tree, id);
  if (!place) co_return std::move(place).error();
  busy_.insert(id);
  const auto thawing = [directory = place->directory,
                        options = place->options]() -> Result<bool> {
    auto opened = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    if (!opened) return std::move(opened).error();
    cgroup::LeafTarget target(opened->get());
    return cgroup::thaw(target, options);
  };
  auto thawed = co_await worker_.run(thawing);
  busy_.erase(id);
  if (!thawed) co_return std::move(thawed).error().context("thawing job " + id);
  jobs_.set_frozen(id, place->leaf, false);
  co_return *thawed;
}

asio::awaitable<std::vector<std::string>> Freezer::recover(const config::NodeConfig& config,
                                                           std::string tree) {
  std::map<std::string, cgroup::BoostOptions> classes;
  for (const auto& row : config.classes)
    classes.emplace(cgroup::directory_name(row), options_of(config, &row));
  const auto recovering = [tree, classes, unknown = options_of(config, nullptr)] {
    Recovered result;
    for (const auto& name : directories_in(tree)) {
      if (!name.starts_with("class-")) continue;
      const auto known = classes.find(name);
      const auto& options = known == classes.end() ? unknown : known->second;
      for (const auto& leaf : directories_in(tree + "/" + name))
        recover_leaf(tree + "/" + name + "/" + leaf, name + "/" + leaf, options, result);
    }
    return result;
  };
  auto found = co_await worker_.run(recovering);
  for (const auto& leaf : found.frozen) jobs_.set_frozen({}, leaf, true);
  co_return std::move(found.lines);
}

}  // namespace tariff::agent
