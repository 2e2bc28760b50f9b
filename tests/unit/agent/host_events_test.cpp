// SPDX-License-Identifier: Apache-2.0
#include "agent/host_events.h"

#include "support/catch.h"

using namespace std::string_view_literals;
using tariff::agent::is_cpu_event;

TEST_CASE("events of whole CPUs matter, those of their parts and of others do not") {
  CHECK(is_cpu_event("online@/devices/system/cpu/cpu1\0ACTION=online\0"sv));
  CHECK(is_cpu_event("offline@/devices/system/cpu/cpu12"));
  CHECK(is_cpu_event("add@/devices/system/cpu/cpu3\0"sv));
  for (const auto text : {"add@/devices/system/cpu/cpu1/cache/index0\0ACTION=add"sv,
                          "add@/devices/pci0000:00/0000:00:01.0\0X=@/devices/system/cpu/cpu1"sv,
                          "change@/devices/system/cpu"sv, ""sv, "libudev\0"sv}) {
    INFO(text);
    CHECK_FALSE(is_cpu_event(text));
  }
}
