// SPDX-License-Identifier: Apache-2.0
// Reads what is known of the kernel, of systemd and of the mode that the agent chose.
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/fd.h"
#include "tools/ctl/doctor_sources.h"
#include "tools/ctl/json_view.h"

namespace tariff::ctl {
namespace {

constexpr const char* kHostChanges = "/run/tariff/host-changes.json";

/// systemd's version as its own tool tells it: "systemd 252 (252.39-1~deb12u1)".
std::optional<int> systemd_version() {
  if (::access("/run/systemd/system", F_OK) != 0) return std::nullopt;  // not PID 1
  FILE* output = ::popen("systemctl --version 2>/dev/null", "re");
  if (output == nullptr) return std::nullopt;
  int version = 0;
  const bool read = std::fscanf(output, "systemd %d", &version) == 1;
  ::pclose(output);
  return read ? std::optional(version) : std::nullopt;
}

std::optional<bool> rt_group_sched(const std::string& release) {
  const auto text = text_of_file("/boot/config-" + release);
  if (!text) return std::nullopt;
  return text->find("\nCONFIG_RT_GROUP_SCHED=y") != std::string::npos;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

}  // namespace

KernelFacts read_kernel() {
  KernelFacts kernel;
  utsname name{};
  ::uname(&name);
  kernel.release = name.release;
  std::sscanf(name.release, "%d.%d", &kernel.major, &kernel.minor);
  kernel.systemd_version = systemd_version();
  kernel.rt_group_sched = rt_group_sched(kernel.release);
  kernel.pidfd = Fd::adopt(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0))).valid();
  const std::string source =
      text_of_file("/sys/devices/system/clocksource/clocksource0/current_clocksource").value_or("");
  kernel.clocksource = source.substr(0, source.find('\n'));
  timex clock{};
  const int state = ::adjtimex(&clock);  // modes 0: only asks
  if (state >= 0) kernel.clock_synchronised = (clock.status & STA_UNSYNC) == 0;
  kernel.pid_max = number_of("/proc/sys/kernel/pid_max");
  kernel.threads_max = number_of("/proc/sys/kernel/threads-max");
  return kernel;
}

ModeFacts parse_mode(const std::string& text) {
  ModeFacts mode;
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return mode;
  mode.known = true;
  mode.mode = text_at(document, "mode");
  mode.why = text_at(document, "why");
  mode.system_cpus = text_at(document, "system_cpus");
  mode.class_cpus = text_at(document, "class_cpus");
  const auto changes = document.find("changes");
  if (changes == document.end() || !changes->is_array()) return mode;
  for (const auto& change : *changes)
    if (change.is_object())
      mode.changes.push_back({text_at(change, "what"), text_at(change, "target"),
                              text_at(change, "before"), text_at(change, "now"),
                              std::nullopt});
  return mode;
}

ModeFacts read_mode() {
  auto mode = parse_mode(text_of_file(kHostChanges).value_or(""));
  for (auto& change : mode.changes) change.present = present_value(change);
  return mode;
}

}  // namespace tariff::ctl
