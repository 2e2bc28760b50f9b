// SPDX-License-Identifier: Apache-2.0
// The class cgroups below the job tree (the holder's unit): one per price class, made at start and
// at a reload, with the class's limits; leaves below them are the launcher's.
//
//   auto tree = ClassTree::open("/sys/fs/cgroup/tariff.slice/tariff-jobs.service");
//   if (auto made = tree->ensure(config.classes, config.cpu_enforcement, {1, 2, 3}); !made) ...
//   auto usage = tree->read(config.classes.front());
//
// Writes nothing outside the tree: systemd owns what is above (the single-writer rule). Limits are
// set through libcgroup; making directories, enabling controllers and reading are done through
// directory descriptors, for the reasons in docs/adr/0005-libcgroup.md.
// Threading: one thread (libcgroup keeps global state). Errors: Result, nothing logs.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cgroup/cpu_set.h"
#include "config/schema.h"

namespace tariff::cgroup {

struct ClassUsage {
  std::chrono::microseconds cpu{0};           ///< of all jobs the class ever had
  std::uint64_t memory_bytes = 0;
  std::chrono::microseconds cpu_wait{0};      ///< cpu.pressure "some" total
  std::chrono::microseconds memory_stall{0};  ///< memory.pressure "some" total
};

/// "class-<rank>-<name>".
std::string directory_name(const config::PriceClass& price_class);

/// cpu.weight of a class under CpuEnforcement::Weight: 1 for the lowest to 10000 for the highest,
/// in equal ratios (the kernel's range, cgroup-v2.rst); all 100, the kernel's default, otherwise.
std::uint64_t cpu_weight(int rank, int classes, config::CpuEnforcement enforcement);

class ClassTree {
 public:
  /// `path`: the holder's cgroup. FailedPrecondition if it is not cgroup v2 or lacks controllers.
  static Result<ClassTree> open(std::string path);

  /// Makes what is missing, sets limits, and remove_unused(). Jobs of all classes may use `cpus`;
  /// empty: every CPU that the tree may use.
  Status ensure(const std::vector<config::PriceClass>& classes,
                config::CpuEnforcement enforcement, const CpuSet& cpus);

  /// Removes classes that are not configured and have no leaves. Those that still have some stay:
  /// call it again later.
  void remove_unused(const std::vector<config::PriceClass>& classes) const;

  /// Whether every class has its cgroup. systemd removes empty ones when the holder dies.
  [[nodiscard]] bool complete(const std::vector<config::PriceClass>& classes) const;

  [[nodiscard]] Result<ClassUsage> read(const config::PriceClass& price_class) const;

  /// Cgroups in the tree that neither we nor the launcher made, relative to it.
  [[nodiscard]] std::vector<std::string> foreign() const;

 private:
  ClassTree(std::string path, Fd directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}
  Status make(const std::string& name) const;
  Status enable_cpuset() const;
  Status set_cpus(const std::string& name, const CpuSet& cpus) const;
  Status set_limits(const std::string& name, const config::PriceClass& price_class,
                    std::uint64_t weight) const;
  [[nodiscard]] std::vector<std::string> children(const std::string& below) const;

  std::string path_;
  Fd directory_;
  bool has_weight_ = false;
};

}  // namespace tariff::cgroup
