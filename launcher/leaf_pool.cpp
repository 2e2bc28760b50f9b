// SPDX-License-Identifier: Apache-2.0
#include "launcher/leaf_pool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "launcher/log.h"
#include "launcher/loop.h"

namespace tariff::launcher {
namespace {

// An empty leaf is normally removed at once (no EBUSY in 2,000 launches); a task that is still on
// its way out of the kernel may keep it for a moment.
constexpr int kRemovalAttempts = 200;
constexpr timespec kRemovalPause{0, 5'000'000};
// A trampoline takes about 250 KB of kernel memory (namespaces, mounts, a stack), a leaf much less.
constexpr std::size_t kLeavesPerChild = 4;
// After the host's last mount: a boot or a container makes many in a row.
constexpr Nanos kQuietMounts = 1'000'000'000;
// Of a trampoline that prepares itself. It runs above all jobs. One that a launch waits for may
// share the machine with a burst of others.
constexpr Nanos kPatience = 2'000'000'000;
constexpr Nanos kPatienceOfLaunch = 15'000'000'000;

void sleep_until(Nanos moment) {
  const timespec at{moment / 1'000'000'000, moment % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {}
}

/// 0, or the errno that remains.
int remove_directory(const std::string& path) {
  for (int attempt = 0; ::rmdir(path.c_str()) < 0 && errno != ENOENT; ++attempt) {
    if (errno != EBUSY || attempt == kRemovalAttempts) return errno;
    ::nanosleep(&kRemovalPause, nullptr);
  }
  return 0;
}

}  // namespace

Result<LeafPool*> LeafPool::start(std::string prefix, Cloner& cloner) {
  auto mounts = MountWatch::open();
  if (!mounts) return std::move(mounts).error();
  auto* pool = new LeafPool(std::move(prefix), cloner, std::move(*mounts));
  auto maker = Workers::start("leaf-maker", 1, Workers::Priority::AsWorker);
  if (!maker) return std::move(maker).error();
  auto remover = Workers::start("leaf-remover", 1, Workers::Priority::AsWorker);
  if (!remover) return std::move(remover).error();
  pool->maker_ = *maker;
  pool->remover_ = *remover;
  return pool;
}

void LeafPool::configure(const std::string& tree, const std::vector<std::string>& directories,
                         std::size_t count) {
  std::vector<std::string> unused;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [directory, row] : ready_) {
      const bool wanted = std::find(directories.begin(), directories.end(), directory) !=
                          directories.end();
      for (; row.leaves.size() > (wanted ? count : 0); row.leaves.pop_back())
        unused.push_back(tree_ + "/" + row.leaves.back().path);
      if (!wanted || count == 0) dismiss(std::exchange(row.children, {}));
    }
    std::erase_if(ready_, [](const auto& item) {
      return item.second.leaves.empty() && item.second.children.empty();
    });
    tree_ = tree;
    count_ = count;
    holder_lives_ = holder_lives();
    for (const auto& directory : directories) ready_[directory];
  }
  // Else a class that is no longer configured keeps its cgroup for ever.
  remover_->run([unused] {
    for (const auto& path : unused) (void)remove_directory(path);
  });
  for (const auto& directory : directories) refill(directory);
}

void LeafPool::look_again() {
  std::vector<std::string> directories;
  {
    const std::lock_guard lock(mutex_);
    holder_lives_ = holder_lives();
    if (mounts_changed() || !holder_lives_) let_go_of_children();
    for (const auto& [directory, row] : ready_) directories.push_back(directory);
  }
  for (const auto& directory : directories) refill(directory);
}

/// Requires: mutex_ is held, as do the next four.
bool LeafPool::mounts_changed() {
  if (!mounts_.changed()) return false;
  mounts_changed_at_ = monotonic_now();
  return true;
}

void LeafPool::let_go_of_children() {
  for (auto& [directory, row] : ready_) dismiss(std::exchange(row.children, {}));
}

/// They end with their channels.
void LeafPool::dismiss(Children children) {
  if (children.empty()) return;
  auto dismissed = std::make_shared<Children>(std::move(children));
  remover_->run([tree = tree_, dismissed] {
    for (auto& child : *dismissed) child.stdio = {};
    for (const auto& child : *dismissed) (void)remove_directory(tree + "/" + child.leaf->path);
    dismissed->clear();  // the last references to their namespaces, after those of the dead
  });
}

void LeafPool::dismiss(const std::string& tree, Leaf leaf) {
  remover_->run([path = tree + "/" + leaf.path] { (void)remove_directory(path); });
}

std::size_t LeafPool::wanted_children() const {
  const bool quiet = monotonic_now() - mounts_changed_at_ >= kQuietMounts;
  return holder_lives_ && quiet ? (count_ + kLeavesPerChild - 1) / kLeavesPerChild : 0;
}

bool LeafPool::holder_lives() const {
  auto text = read_file_at(AT_FDCWD, tree_ + "/holder/cgroup.events");
  if (!text) return false;
  const auto events = cgroup::parse_cgroup_events(*text);
  return events && events->populated.value_or(false);
}

Result<ReadyChild> LeafPool::take(const std::string& directory) {
  std::optional<ReadyChild> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (mounts_changed()) let_go_of_children();
    const auto row = ready_.find(directory);
    if (row != ready_.end() && !row->second.children.empty()) {
      waiting = std::move(row->second.children.front());
      row->second.children.pop_front();
    }
  }
  if (waiting) return std::move(*waiting);
  auto leaf = take_leaf(directory);
  if (!leaf) return std::move(leaf).error();
  const auto shared = std::make_shared<const Leaf>(std::move(*leaf));
  auto started = start_trampoline(cloner_, shared, Cloner::Tracked::Yes);
  if (!started) return remove(shared, [] {}), std::move(started).error();
  auto prepared = await_prepared(*started, kPatienceOfLaunch);
  if (prepared) return started;
  const pid_t pid = started->child.pid;
  started->stdio = {};  // it ends with its channel
  cloner_.settled(pid);
  remove(shared, [] {});
  return std::move(prepared).error();
}

Result<Leaf> LeafPool::take_leaf(const std::string& directory) {
  {
    const std::lock_guard lock(mutex_);
    const auto row = ready_.find(directory);
    if (row != ready_.end() && !row->second.leaves.empty()) {
      Leaf leaf = std::move(row->second.leaves.front());
      row->second.leaves.pop_front();
      return leaf;
    }
  }
  return make(directory);
}

Result<Leaf> LeafPool::make(const std::string& directory) {
  Leaf leaf;
  std::string tree;
  {
    const std::lock_guard lock(mutex_);
    leaf.path = directory + "/" + prefix_ + std::to_string(next_++);
    tree = tree_;
  }
  const std::string path = tree + "/" + leaf.path;
  if (::mkdir(path.c_str(), 0755) < 0) return errno_error("cannot make " + path, errno);
  auto opened = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!opened) return std::move(opened).error();
  leaf.directory = std::move(*opened);
  // A function is one unit: half of its processes killed for memory is a job that hangs.
  auto grouped = write_file_at(leaf.directory.get(), "memory.oom.group", "1");
  if (!grouped) return std::move(grouped).error().context("preparing " + path);
  return leaf;
}

void LeafPool::refill(const std::string& directory) {
  {
    const std::lock_guard lock(mutex_);
    if (!refilling_.insert(directory).second) return;
  }
  maker_->run([this, directory] {
    Nanos quiet_at = 0;
    {
      const std::lock_guard lock(mutex_);
      refilling_.erase(directory);
      quiet_at = mounts_changed_at_ + kQuietMounts;
    }
    // If mounts change meanwhile, look_again() asks for another turn.
    if (quiet_at > monotonic_now()) sleep_until(quiet_at);
    fill(directory);
  });
}

void LeafPool::fill(const std::string& directory) {
  while (make_ready_leaf(directory)) {}
  while (make_ready_child(directory)) {}
  while (make_ready_leaf(directory)) {}  // instead of those that got one
}

/// False: there are enough, or it cannot be made. Like the next one on the maker's thread.
bool LeafPool::make_ready_leaf(const std::string& directory) {
  {
    const std::lock_guard lock(mutex_);
    const auto row = ready_.find(directory);
    if (row == ready_.end()) return false;
    if (row->second.leaves.size() + row->second.children.size() >= count_) return false;
  }
  auto leaf = make(directory);
  if (!leaf) {
    log_line(LogLevel::Warning, "leaf pool: %s", leaf.error().text().c_str());
    return false;
  }
  const std::lock_guard lock(mutex_);
  // The class may have gone meanwhile, or fewer be wanted.
  const auto row = ready_.find(directory);
  if (row == ready_.end() || row->second.leaves.size() + row->second.children.size() >= count_)
    return (void)::rmdir((tree_ + "/" + leaf->path).c_str()), false;
  row->second.leaves.push_back(std::move(*leaf));
  return true;
}

bool LeafPool::make_ready_child(const std::string& directory) {
  Leaf leaf;
  Nanos mounts_changed_at = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto row = ready_.find(directory);
    if (row == ready_.end() || row->second.leaves.empty()) return false;
    if (row->second.children.size() >= wanted_children()) return false;
    leaf = std::move(row->second.leaves.front());
    row->second.leaves.pop_front();
    mounts_changed_at = mounts_changed_at_;
  }
  const auto shared = std::make_shared<const Leaf>(std::move(leaf));
  auto child = start_trampoline(cloner_, shared, Cloner::Tracked::No);
  if (!child) {
    log_line(LogLevel::Warning, "leaf pool: %s", child.error().text().c_str());
    return remove(shared, [] {}), false;
  }
  auto prepared = await_prepared(*child, kPatience);
  if (!prepared) log_line(LogLevel::Warning, "leaf pool: %s", prepared.error().text().c_str());
  Children made;
  made.push_back(std::move(*child));
  const std::lock_guard lock(mutex_);
  const auto row = ready_.find(directory);
  // The class, a mount or the holder may have gone meanwhile.
  if (!prepared || row == ready_.end() || mounts_changed() ||
      mounts_changed_at != mounts_changed_at_ ||
      row->second.children.size() >= wanted_children())
    return dismiss(std::move(made)), false;
  row->second.children.push_back(std::move(made.front()));
  return true;
}

void LeafPool::remove(SharedLeaf leaf, std::function<void()> removed) {
  remover_->run([this, leaf = std::move(leaf), removed = std::move(removed)] {
    std::string path;
    {
      const std::lock_guard lock(mutex_);
      path = tree_ + "/" + leaf->path;
    }
    const int error = remove_directory(path);
    if (error != 0)
      return log_line(LogLevel::Error, "cannot remove %s: %s; its uid stays taken", path.c_str(),
                      std::strerror(error));
    removed();
  });
}

void LeafPool::for_each_ready(const std::function<void(const Leaf&)>& visit) {
  const std::lock_guard lock(mutex_);
  for (const auto& [directory, row] : ready_) {
    for (const auto& leaf : row.leaves) visit(leaf);
    for (const auto& child : row.children) visit(*child.leaf);
  }
}

void LeafPool::drain() {
  std::unique_lock lock(mutex_);
  for (auto& [directory, row] : ready_) {
    for (const auto& leaf : row.leaves) (void)remove_directory(tree_ + "/" + leaf.path);
    for (auto& child : row.children) child.stdio = {};
    for (const auto& child : row.children) (void)remove_directory(tree_ + "/" + child.leaf->path);
  }
  ready_.clear();
  lock.unlock();  // removals take it
  const Nanos deadline = monotonic_now() + kPatience;
  // What is being made finds that it is not wanted, and is removed, too.
  while (!(maker_->idle() && remover_->idle()) && monotonic_now() < deadline)
    ::nanosleep(&kRemovalPause, nullptr);
}

}  // namespace tariff::launcher
