// SPDX-License-Identifier: Apache-2.0
// LeafPool: leaves made ahead of need and removed behind the jobs, so that a launch pays for
// neither mkdir nor rmdir (1.4 of 3.1 ms in the guest; kernel-facts 1). A leaf serves one job.
// Two threads: one makes, one removes, since a removal may have to wait.
// Threading: take() and remove() from any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "launcher/leaf.h"
#include "launcher/workers.h"

namespace tariff::launcher {

class LeafPool {
 public:
  /// `prefix` makes names differ from those of an earlier launcher.
  static Result<LeafPool*> start(std::string prefix);

  /// Keeps `count` ready leaves in each of these directories below `tree`, and none elsewhere.
  void configure(const std::string& tree, const std::vector<std::string>& directories,
                 std::size_t count);

  /// A ready leaf, or one made now.
  Result<Leaf> take(const std::string& directory);

  /// Removes the leaf, then calls `removed` (on the pool's thread).
  void remove(SharedLeaf leaf, std::function<void()> removed);

  /// Nothing is being made or removed, and nothing will be before the next call.
  [[nodiscard]] bool idle() { return maker_->idle() && remover_->idle(); }
  void for_each_ready(const std::function<void(const Leaf&)>& visit);
  /// A ready leaf of the image before this one. Requires: configure() follows.
  void restore(const std::string& tree, Leaf leaf);

  /// Removes ready leaves nobody will use: at the end of the process.
  void drain();

 private:
  explicit LeafPool(std::string prefix) : prefix_(std::move(prefix)) {}
  Result<Leaf> make(const std::string& directory);
  void refill(const std::string& directory);

  const std::string prefix_;
  Workers* maker_ = nullptr;
  Workers* remover_ = nullptr;
  std::mutex mutex_;
  std::string tree_;
  std::size_t count_ = 0;
  std::uint64_t next_ = 0;
  std::map<std::string, std::deque<Leaf>> ready_;
};

}  // namespace tariff::launcher
