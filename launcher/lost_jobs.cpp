// SPDX-License-Identifier: Apache-2.0
#include "launcher/lost_jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "launcher/log.h"

namespace tariff::launcher {
namespace {

constexpr timespec kPollPause{0, 20'000'000};
// For a leaf that nobody knows: it is removed afterwards, which waits for its end, too.
constexpr Nanos kUnknownPatience = 100'000'000;

std::vector<std::string> directories_in(const std::string& path, std::string_view prefix) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name.starts_with(prefix)) names.emplace_back(name);
  }
  ::closedir(directory);
  return names;
}

std::vector<Leaf> leaves_in(const std::string& tree) {
  std::vector<Leaf> leaves;
  for (const auto& price_class : directories_in(tree, "class-"))
    for (const auto& name : directories_in(tree + "/" + price_class, "j-")) {
      const std::string path = price_class + "/" + name;
      auto directory = open_at(AT_FDCWD, tree + "/" + path, O_RDONLY | O_DIRECTORY);
      if (directory) leaves.push_back(Leaf{path, std::move(*directory)});
    }
  return leaves;
}

bool is_populated(const Leaf& leaf) {
  auto text = read_file_at(leaf.directory.get(), "cgroup.events");
  if (!text) return false;  // removed meanwhile
  const auto events = cgroup::parse_cgroup_events(*text);
  return !events || events->populated.value_or(true);
}

void remove(LeafPool& leaves, Leaf leaf) {
  leaves.remove(std::make_shared<const Leaf>(std::move(leaf)), [] {});
}

}  // namespace

void end_lost_jobs(const std::string& tree, JobTable& table, Jobs& jobs, LeafPool& leaves) {
  std::size_t lost = 0, removed = 0;
  for (Leaf& leaf : leaves_in(tree)) {
    const std::string bytes = read_job_xattr(leaf);
    Record marked;
    const bool known = !bytes.empty() && marked.ParseFromString(bytes) &&
                       valid_job_id(marked.id()) && table.find(marked.id()) == nullptr;
    if (!known) {  // its trampoline, if there is one, has seen its channel close
      if (is_populated(leaf)) (void)kill_all(leaf, kUnknownPatience);
      remove(leaves, std::move(leaf));
      ++removed;
      continue;
    }
    table.restore_lost(record_of(marked), monotonic_now());
    jobs.adopt_lost(marked.id(), std::move(leaf));
    ++lost;
  }
  if (lost + removed != 0)
    log_line(LogLevel::Notice, "an earlier launcher left: jobs=%zu unused_leaves=%zu", lost,
             removed);
}

Result<Leaf> make_test_leaf(const std::string& tree) {
  Leaf leaf{"selftest-" + std::to_string(::getpid()), {}};
  const std::string path = tree + "/" + leaf.path;
  if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST)
    return errno_error("cannot make " + path, errno);
  auto directory = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::move(directory).error();
  leaf.directory = std::move(*directory);
  return leaf;
}

bool kill_whole_tree(const std::string& tree, Nanos patience) {
  const Nanos deadline = monotonic_now() + patience;
  auto leaves = leaves_in(tree);
  for (const Leaf& leaf : leaves) (void)kill_all(leaf, 0);
  for (;;) {
    std::size_t left = 0;
    for (const Leaf& leaf : leaves) {
      if (::rmdir((tree + "/" + leaf.path).c_str()) == 0 || errno == ENOENT) continue;
      ++left;
      if (is_populated(leaf)) (void)kill_all(leaf, 0);  // raises what forked meanwhile
    }
    if (left == 0) return true;
    if (monotonic_now() >= deadline) return false;
    ::nanosleep(&kPollPause, nullptr);
  }
}

}  // namespace tariff::launcher
