// SPDX-License-Identifier: Apache-2.0
// LeafPool: what a launch needs and can be made ahead of need. Leaves, so that a launch pays for
// neither mkdir nor rmdir (1.4 of 3.1 ms in the guest; kernel-facts 1), and in one of four of them
// a trampoline that has prepared itself and waits for its job (ready_child.h). Both serve one job.
// Two threads: one makes, one removes, since a removal may have to wait.
//
// A trampoline's mount namespace is a copy of the host's, made when it was. So those that were made
// before the host's last mount or unmount are not used but let go of, at once: a job sees the
// mounts that were there when it was launched, and nobody who waits keeps a file system busy.
//
// Trampolines wait only while the holder lives (its cgroup "holder/" is populated): once it is
// dead, systemd removes the tree as soon as nothing runs in it, and only then it can be made again.
// Threading: any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "launcher/mount_watch.h"
#include "launcher/ready_child.h"
#include "launcher/workers.h"

namespace tariff::launcher {

class LeafPool {
 public:
  /// `prefix` makes names differ from those of an earlier launcher.
  static Result<LeafPool*> start(std::string prefix, Cloner& cloner);

  /// Keeps `count` ready leaves in each of these directories below `tree`, and none elsewhere.
  void configure(const std::string& tree, const std::vector<std::string>& directories,
                 std::size_t count);
  /// The host's mounts have changed, or the holder may have died.
  void look_again();

  /// A leaf with a trampoline: one that waits, or one started now, which is tracked. It is replaced
  /// at the next refill(); when is up to the caller, since that takes CPU from the launch.
  Result<ReadyChild> take(const std::string& directory);
  void refill(const std::string& directory);

  /// Removes the leaf, then calls `removed` (on the pool's thread). What still runs in it must be
  /// on its way out.
  void remove(SharedLeaf leaf, std::function<void()> removed);

  /// Nothing is being made or removed, and nothing will be before the next call.
  [[nodiscard]] bool idle() { return maker_->idle() && remover_->idle(); }
  void for_each_ready(const std::function<void(const Leaf&)>& visit);
  /// A ready leaf of the image before this one, whose trampoline is on its way out.
  void dismiss(const std::string& tree, Leaf leaf);
  /// Lets go of the leaves and trampolines nobody will use, at the end of the process; waits until
  /// they are gone.
  void drain();

 private:
  using Children = std::deque<ReadyChild>;
  struct Row {
    std::deque<Leaf> leaves;
    Children children;
  };
  LeafPool(std::string prefix, Cloner& cloner, MountWatch mounts)
      : prefix_(std::move(prefix)), cloner_(cloner), mounts_(std::move(mounts)) {}
  Result<Leaf> make(const std::string& directory);
  Result<Leaf> take_leaf(const std::string& directory);
  void fill(const std::string& directory);
  bool make_ready_leaf(const std::string& directory);
  bool make_ready_child(const std::string& directory);
  bool mounts_changed();
  void let_go_of_children();
  void dismiss(Children children);
  [[nodiscard]] std::size_t wanted_children() const;
  [[nodiscard]] bool holder_lives() const;

  const std::string prefix_;
  Cloner& cloner_;
  Workers* maker_ = nullptr;
  Workers* remover_ = nullptr;
  std::mutex mutex_;
  std::string tree_;
  std::size_t count_ = 0;
  std::uint64_t next_ = 0;
  std::map<std::string, Row> ready_;
  std::set<std::string> refilling_;  // asked of the maker and not begun
  bool holder_lives_ = false;
  const MountWatch mounts_;
  Nanos mounts_changed_at_ = 0;
};

}  // namespace tariff::launcher
