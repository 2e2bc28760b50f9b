// SPDX-License-Identifier: Apache-2.0
// A program as a transient service by StartTransientUnit over one open D-Bus connection:
// systemd-run without its client's start. Type=oneshot, whose start job ends when the program has.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

struct sd_bus;
struct sd_bus_slot;

namespace tariff::benchmark {

class TransientUnits {
 public:
  static Result<std::unique_ptr<TransientUnits>> connect();
  ~TransientUnits();
  TransientUnits(const TransientUnits&) = delete;
  TransientUnits& operator=(const TransientUnits&) = delete;

  /// Starts `program` in a unit of its own and waits until it has ended.
  Status run(const std::string& program);

 private:
  TransientUnits() = default;
  Status start(const std::string& unit, const std::string& program);
  sd_bus* bus_ = nullptr;
  sd_bus_slot* removals_ = nullptr;
  std::string ended_unit_;
  std::string ended_result_;
  std::uint64_t next_ = 1;

  friend struct OnJobRemoved;
};

}  // namespace tariff::benchmark
