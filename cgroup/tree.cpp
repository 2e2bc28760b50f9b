// SPDX-License-Identifier: Apache-2.0
#include "cgroup/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>

#include "cgroup/parse.h"
#include "cgroup/possible_cpus.h"
#include "cgroup/zero_pages.h"

namespace tariff::cgroup {
namespace {

constexpr std::string_view kMount = "/sys/fs/cgroup/";
constexpr std::string_view kNeeded[] = {"memory", "pids"};   // no leaf without these
constexpr std::string_view kWanted[] = {"memory", "pids", "cpu"};
constexpr double kLargestWeight = 10'000;                    // cgroup-v2.rst, cpu.weight
constexpr std::uint64_t kDefaultWeight = 100;

struct FreeCgroup {
  void operator()(struct cgroup* group) const noexcept { ::cgroup_free(&group); }
};
using Cgroup = std::unique_ptr<struct cgroup, FreeCgroup>;

Error library_error(const std::string& what, int code) {
  // ECGOTHER means "see errno", which libcgroup keeps to itself.
  const int cause = code == ECGOTHER ? ::cgroup_get_last_errno() : 0;
  if (cause != 0) return errno_error(what, cause);
  return Error{ErrorKind::Unknown, what + ": " + ::cgroup_strerror(code), {}};
}

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool made_by_us(std::string_view name) {
  return name.starts_with("j-") || name.starts_with("pool-");
}

std::string limit_text(const std::optional<std::uint64_t>& limit) {
  return limit ? std::to_string(*limit) : "max";
}

}  // namespace

std::string directory_name(const config::PriceClass& price_class) {
  return "class-" + std::to_string(price_class.rank) + "-" + price_class.name;
}

std::uint64_t cpu_weight(int rank, int classes, config::CpuEnforcement enforcement) {
  if (enforcement != config::CpuEnforcement::Weight) return kDefaultWeight;
  if (classes < 2) return kDefaultWeight;
  const double step = static_cast<double>(rank - 1) / (classes - 1);
  return static_cast<std::uint64_t>(std::llround(std::pow(kLargestWeight, step)));
}

Result<ClassTree> ClassTree::open(std::string path) {
  const std::string hint = "is tariff-jobs.service running, and is this a cgroup v2 system?";
  auto directory = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!directory) {
    directory.error().hint = hint;
    return std::move(directory).error();
  }
  struct statfs filesystem {};
  if (::fstatfs(directory->get(), &filesystem) < 0)
    return errno_error("cannot stat " + path, errno);
  if (filesystem.f_type != CGROUP2_SUPER_MAGIC || !path.starts_with(kMount))
    return Error{ErrorKind::FailedPrecondition, path + " is not in the cgroup v2 hierarchy", hint};
  auto enabled = read_file_at(directory->get(), "cgroup.subtree_control");
  if (!enabled) return std::move(enabled).error().context(path);
  const auto controllers = parse_controllers(*enabled);
  for (const auto needed : kNeeded)
    if (!contains(controllers, needed))
      return Error{ErrorKind::FailedPrecondition,
                   "the " + std::string(needed) + " controller is not enabled below " + path,
                   "the holder enables what systemd delegates: see journalctl -u tariff-jobs"};
  if (const int code = ::cgroup_init(); code != 0) return library_error("starting libcgroup", code);
  give_back_zero_pages(reinterpret_cast<const void*>(&::cgroup_init));  // the library is ours alone
  ClassTree tree(std::move(path), std::move(*directory));
  tree.has_weight_ = contains(controllers, "cpu");
  return tree;
}

Status ClassTree::ensure(const std::vector<config::PriceClass>& classes,
                         config::CpuEnforcement enforcement, const CpuSet& cpus) {
  if (!cpus.empty())
    if (auto enabled = enable_cpuset(); !enabled) return enabled;
  const int count = static_cast<int>(classes.size());
  for (const auto& price_class : classes) {
    const std::string name = directory_name(price_class);
    if (auto made = make(name); !made) return made;
    if (auto set = set_limits(name, price_class, cpu_weight(price_class.rank, count, enforcement));
        !set)
      return set;
  }
  // Also of classes that are configured no more and still have jobs.
  for (const auto& name : children("."))
    if (name.starts_with("class-"))
      if (auto set = set_cpus(name, cpus); !set) return set;
  remove_unused(classes);
  return ok();
}

bool ClassTree::complete(const std::vector<config::PriceClass>& classes) const {
  return std::all_of(classes.begin(), classes.end(), [&](const auto& row) {
    const std::string file = directory_name(row) + "/cgroup.procs";
    return ::faccessat(directory_.get(), file.c_str(), F_OK, 0) == 0;
  });
}

/// The directory, and the controllers for its leaves.
Status ClassTree::make(const std::string& name) const {
  if (::mkdirat(directory_.get(), name.c_str(), 0755) < 0 && errno != EEXIST)
    return errno_error("cannot make the cgroup " + path_ + "/" + name, errno);
  const std::string control = name + "/cgroup.subtree_control";
  auto available = read_file_at(directory_.get(), name + "/cgroup.controllers");
  auto enabled = read_file_at(directory_.get(), control);
  if (!available) return std::move(available).error();
  if (!enabled) return std::move(enabled).error();
  const auto offered = parse_controllers(*available);
  const auto present = parse_controllers(*enabled);
  std::string missing;
  for (const auto controller : kWanted)
    if (contains(offered, controller) && !contains(present, controller))
      missing.append(missing.empty() ? "+" : " +").append(controller);
  // Written only if needed: under load this write takes seconds (measured: up to 4 s behind hogs).
  if (missing.empty()) return ok();
  return write_file_at(directory_.get(), control, missing);
}

/// The holder does it when it starts; one from before Tariff kept CPUs apart has not.
Status ClassTree::enable_cpuset() const {
  auto enabled = read_file_at(directory_.get(), "cgroup.subtree_control");
  if (!enabled) return std::move(enabled).error();
  if (contains(parse_controllers(*enabled), "cpuset")) return ok();
  return write_file_at(directory_.get(), "cgroup.subtree_control", "+cpuset");
}

/// Leaves have no cpuset of their own and follow the class. A write moves every task below: only if
/// it changes something.
Status ClassTree::set_cpus(const std::string& name, const CpuSet& cpus) const {
  const std::string file = name + "/cpuset.cpus";
  auto text = read_file_at(directory_.get(), file);
  if (!text) {
    if (cpus.empty()) return ok();  // no such controller: nothing to take back
    return std::move(text).error();
  }
  const auto current = parse_cpu_list(*text, file);
  if (!current) return current.error();
  const CpuSet wanted = cpus.empty() && !current->empty() ? possible_cpus() : cpus;
  if (*current == wanted) return ok();
  return write_file_at(directory_.get(), file, cpu_list(wanted) + "\n");
}

Status ClassTree::set_limits(const std::string& name, const config::PriceClass& price_class,
                             std::uint64_t weight) const {
  const std::string group = path_.substr(kMount.size()) + "/" + name;
  const Cgroup wanted(::cgroup_new_cgroup(group.c_str()));
  if (!wanted) return Error{ErrorKind::ResourceExhausted, "out of memory for " + group, {}};
  const auto add = [&](const char* controller, const char* file, const std::string& value) {
    // A kernel without swap accounting has no memory.swap.max; what is not there limits nothing.
    if (::faccessat(directory_.get(), (name + "/" + file).c_str(), W_OK, 0) < 0) return 0;
    auto* settings = ::cgroup_get_controller(wanted.get(), controller);
    if (settings == nullptr) settings = ::cgroup_add_controller(wanted.get(), controller);
    if (settings == nullptr) return static_cast<int>(ECGFAIL);
    return ::cgroup_add_value_string(settings, file, value.c_str());
  };
  int code = add("memory", "memory.swap.max", limit_text(price_class.swap_max_bytes));
  if (code == 0) code = add("pids", "pids.max", limit_text(price_class.pids_max));
  if (code == 0 && has_weight_) code = add("cpu", "cpu.weight", std::to_string(weight));
  if (code == 0) code = ::cgroup_modify_cgroup(wanted.get());
  if (code != 0) return library_error("setting the limits of " + group, code);
  return ok();
}

void ClassTree::remove_unused(const std::vector<config::PriceClass>& classes) const {
  for (const auto& name : children(".")) {
    const bool configured = std::any_of(classes.begin(), classes.end(), [&](const auto& row) {
      return directory_name(row) == name;
    });
    // One that still has leaves stays: rmdir fails with EBUSY.
    if (!configured && name.starts_with("class-"))
      (void)::unlinkat(directory_.get(), name.c_str(), AT_REMOVEDIR);
  }
}

Result<ClassUsage> ClassTree::read(const config::PriceClass& price_class) const {
  const std::string name = directory_name(price_class) + "/";
  ClassUsage usage;
  auto memory = read_file_at(directory_.get(), name + "memory.current");
  if (!memory) return std::move(memory).error();
  auto bytes = parse_number(*memory, "memory.current");
  if (!bytes) return std::move(bytes).error();
  usage.memory_bytes = *bytes;
  auto cpu = read_file_at(directory_.get(), name + "cpu.stat");
  if (!cpu) return std::move(cpu).error();
  auto stat = parse_cpu_stat(*cpu);
  if (!stat) return std::move(stat).error();
  usage.cpu = stat->usage.value_or(Microseconds{0});
  // A kernel booted with psi=0 has no pressure files.
  if (auto text = read_file_at(directory_.get(), name + "cpu.pressure"))
    if (auto pressure = parse_pressure(*text, "cpu.pressure"); pressure && pressure->some)
      usage.cpu_wait = pressure->some->total;
  if (auto text = read_file_at(directory_.get(), name + "memory.pressure"))
    if (auto pressure = parse_pressure(*text, "memory.pressure"); pressure && pressure->some)
      usage.memory_stall = pressure->some->total;
  return usage;
}

std::vector<std::string> ClassTree::children(const std::string& below) const {
  std::vector<std::string> names;
  auto directory = open_at(directory_.get(), below, O_RDONLY | O_DIRECTORY);
  if (!directory) return names;
  DIR* stream = ::fdopendir(directory->get());
  if (stream == nullptr) return names;
  (void)directory->release();  // the stream's now
  while (const dirent* entry = ::readdir(stream))
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  ::closedir(stream);
  return names;
}

std::vector<std::string> ClassTree::foreign() const {
  std::vector<std::string> found;
  for (const auto& name : children(".")) {
    if (name == "holder" || name.starts_with("selftest")) continue;
    if (!name.starts_with("class-")) {
      found.push_back(name);
      continue;
    }
    for (const auto& leaf : children(name))
      if (!made_by_us(leaf)) found.push_back(name + "/" + leaf);
  }
  return found;
}

}  // namespace tariff::cgroup
