// SPDX-License-Identifier: Apache-2.0
#include "tools/benchmark/launch/transient_unit.h"

#include <systemd/sd-bus.h>
#include <unistd.h>

namespace tariff::benchmark {
namespace {

constexpr const char* kManager = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kInterface = "org.freedesktop.systemd1.Manager";

}  // namespace

struct OnJobRemoved {
  static int call(sd_bus_message* message, void* self, sd_bus_error*) {
    std::uint32_t id = 0;
    const char* job = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (::sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0) return 0;
    auto& units = *static_cast<TransientUnits*>(self);
    units.ended_unit_ = unit;
    units.ended_result_ = result;
    return 0;
  }
};

Result<std::unique_ptr<TransientUnits>> TransientUnits::connect() {
  std::unique_ptr<TransientUnits> units(new TransientUnits());
  int error = ::sd_bus_open_system(&units->bus_);
  if (error < 0) return errno_error("cannot connect to the system bus", -error);
  error = ::sd_bus_match_signal(units->bus_, &units->removals_, kManager, kPath, kInterface,
                                "JobRemoved", OnJobRemoved::call, units.get());
  if (error >= 0)
    error = ::sd_bus_call_method(units->bus_, kManager, kPath, kInterface, "Subscribe", nullptr,
                                 nullptr, "");
  if (error < 0) return errno_error("cannot follow systemd's jobs", -error);
  return units;
}

TransientUnits::~TransientUnits() {
  ::sd_bus_slot_unref(removals_);
  ::sd_bus_flush_close_unref(bus_);
}

Status TransientUnits::start(const std::string& unit, const std::string& program) {
  sd_bus_error reply = SD_BUS_ERROR_NULL;
  const int error = ::sd_bus_call_method(
      bus_, kManager, kPath, kInterface, "StartTransientUnit", &reply, nullptr, "ssa(sv)a(sa(sv))",
      unit.c_str(), "fail", 3,
      "Type", "s", "oneshot",
      "CollectMode", "s", "inactive-or-failed",
      "ExecStart", "a(sasb)", 1, program.c_str(), 1, program.c_str(), 0,
      0);
  ::sd_bus_error_free(&reply);
  if (error < 0) return errno_error("cannot start " + unit, -error);
  return ok();
}

Status TransientUnits::run(const std::string& program) {
  const std::string unit =
      "bench-" + std::to_string(::getpid()) + "-" + std::to_string(next_++) + ".service";
  auto started = start(unit, program);
  if (!started) return started;
  while (ended_unit_ != unit) {
    int error = ::sd_bus_process(bus_, nullptr);
    if (error == 0) error = ::sd_bus_wait(bus_, UINT64_MAX);
    if (error < 0 && error != -EINTR) return errno_error("the system bus is gone", -error);
  }
  if (ended_result_ != "done")
    return Error{ErrorKind::Internal, unit + " ended as " + ended_result_, {}};
  return ok();
}

}  // namespace tariff::benchmark
