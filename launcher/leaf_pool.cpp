// SPDX-License-Identifier: Apache-2.0
#include "launcher/leaf_pool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "launcher/log.h"

namespace tariff::launcher {
namespace {

// An empty leaf is normally removed at once (no EBUSY in 2,000 launches); a task that is still on
// its way out of the kernel may keep it for a moment.
constexpr int kRemovalAttempts = 200;
constexpr timespec kRemovalPause{0, 5'000'000};

}  // namespace

Result<LeafPool*> LeafPool::start(std::string prefix) {
  auto* pool = new LeafPool(std::move(prefix));
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
    for (auto& [directory, ready] : ready_) {
      const bool wanted = std::find(directories.begin(), directories.end(), directory) !=
                          directories.end();
      for (; ready.size() > (wanted ? count : 0); ready.pop_back())
        unused.push_back(tree_ + "/" + ready.back().path);
    }
    std::erase_if(ready_, [](const auto& row) { return row.second.empty(); });
    tree_ = tree;
    count_ = count;
    for (const auto& directory : directories) ready_[directory];
  }
  // Else a class that is no longer configured keeps its cgroup for ever.
  remover_->run([unused] {
    for (const auto& path : unused) ::rmdir(path.c_str());
  });
  for (const auto& directory : directories) refill(directory);
}

Result<Leaf> LeafPool::take(const std::string& directory) {
  Leaf leaf;
  {
    const std::lock_guard lock(mutex_);
    const auto ready = ready_.find(directory);
    if (ready != ready_.end() && !ready->second.empty()) {
      leaf = std::move(ready->second.front());
      ready->second.pop_front();
    }
  }
  refill(directory);
  if (leaf.directory) return leaf;
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
  maker_->run([this, directory] {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        const auto ready = ready_.find(directory);
        if (ready == ready_.end() || ready->second.size() >= count_) return;
      }
      auto leaf = make(directory);
      if (!leaf) return log_line(LogLevel::Warning, "leaf pool: %s", leaf.error().text().c_str());
      const std::lock_guard lock(mutex_);
      // The class may have gone meanwhile.
      const auto ready = ready_.find(directory);
      if (ready == ready_.end()) return (void)::rmdir((tree_ + "/" + leaf->path).c_str());
      ready->second.push_back(std::move(*leaf));
    }
  });
}

void LeafPool::remove(SharedLeaf leaf, std::function<void()> removed) {
  remover_->run([this, leaf = std::move(leaf), removed = std::move(removed)] {
    std::string path;
    {
      const std::lock_guard lock(mutex_);
      path = tree_ + "/" + leaf->path;
    }
    for (int attempt = 0; ::rmdir(path.c_str()) < 0 && errno != ENOENT; ++attempt) {
      if (errno != EBUSY || attempt == kRemovalAttempts)
        return log_line(LogLevel::Error, "cannot remove %s: %s; its uid stays taken", path.c_str(),
                        std::strerror(errno));
      ::nanosleep(&kRemovalPause, nullptr);
    }
    removed();
  });
}

void LeafPool::for_each_ready(const std::function<void(const Leaf&)>& visit) {
  const std::lock_guard lock(mutex_);
  for (const auto& [directory, ready] : ready_)
    for (const auto& leaf : ready) visit(leaf);
}

void LeafPool::restore(const std::string& tree, Leaf leaf) {
  const std::lock_guard lock(mutex_);
  tree_ = tree;
  const std::string directory = leaf.path.substr(0, leaf.path.rfind('/'));
  ready_[directory].push_back(std::move(leaf));
}

void LeafPool::drain() {
  const std::lock_guard lock(mutex_);
  for (auto& [directory, ready] : ready_)
    for (auto& leaf : ready) ::rmdir((tree_ + "/" + leaf.path).c_str());
  ready_.clear();
}

}  // namespace tariff::launcher
