// SPDX-License-Identifier: Apache-2.0
// Questions and wishes to systemd over D-Bus. systemd owns the cgroups of its units (single-writer
// rule), so their limits are asked of it and never written by us.
//
//   auto units = systemd::Units::connect({});
//   auto path = units->control_group("tariffd.service");  // "/tariff.slice/tariffd.service"
//   units->set_runtime("tariff-jobs.service", {{"MemoryMax", bytes}});
//   units->set_allowed_cpus("system.slice", {0x01});
//
// Calls block, each at most Options::timeout, while systemd may itself be starved by jobs: never on
// the agent's loop. Threading: one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

struct sd_bus;
struct sd_bus_message;

namespace tariff::systemd {

/// A property that takes a number or "infinity" (empty): MemoryMax, MemoryMin, MemoryLow, TasksMax.
struct UnitProperty {
  std::string name;
  std::optional<std::uint64_t> value;
};

class Units {
 public:
  struct Options {
    std::string address = "unix:path=/run/dbus/system_bus_socket";  ///< the system bus
    std::chrono::milliseconds timeout{5'000};                       ///< of each call
  };

  /// Connects and authenticates; Unavailable without a bus, DeadlineExceeded if it does not answer.
  static Result<Units> connect(const Options& options);

  /// The cgroup path of a unit below the cgroup root. NotFound if the unit has none: it does not
  /// exist or does not run. Requires: the name ends with .service, .slice, .scope or .socket.
  Result<std::string> control_group(const std::string& unit);

  /// Asks systemd to start a unit; returns when the job is queued, not when it is done.
  Status start(const std::string& unit);

  /// SetUnitProperties, until the next boot (a drop-in below /run). All or nothing.
  Status set_runtime(const std::string& unit, const std::vector<UnitProperty>& properties);

  /// AllowedCPUs as a bitmap (cgroup/cpu_set.h); empty: not set, every CPU. Set until the next
  /// boot.
  Result<std::vector<std::uint8_t>> allowed_cpus(const std::string& unit);
  Status set_allowed_cpus(const std::string& unit, const std::vector<std::uint8_t>& bitmap);

 private:
  struct Close {
    void operator()(sd_bus* bus) const noexcept;
  };
  using Bus = std::unique_ptr<sd_bus, Close>;
  explicit Units(Bus bus) : bus_(std::move(bus)) {}
  /// SetUnitProperties, with Runtime. `add` appends what the array of (sv) holds and returns as
  /// sd-bus does; `what` begins the error.
  Status set_until_boot(const std::string& unit, const std::string& what,
                        const std::function<int(sd_bus_message*)>& add);
  Bus bus_;
};

}  // namespace tariff::systemd
