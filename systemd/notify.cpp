// SPDX-License-Identifier: Apache-2.0
#include "systemd/notify.h"

#include <systemd/sd-daemon.h>

#include <string>

namespace tariff::systemd {
namespace {

Status send(const std::string& state, const char* what) {
  const int sent = ::sd_notify(/* unset_environment= */ 0, state.c_str());
  if (sent < 0)
    return errno_error(std::string("cannot tell the service manager '") + what + "'", -sent,
                       "NOTIFY_SOCKET must be the socket of a running service manager");
  return ok();
}

std::string one_line(std::string_view text) {
  constexpr std::size_t kMost = 512;  // a status line is for a terminal
  std::string out(text.substr(0, kMost));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return out;
}

}  // namespace

Status notify_ready(std::string_view status) {
  return send("READY=1\nSTATUS=" + one_line(status), "ready");
}

Status notify_status(std::string_view status) {
  return send("STATUS=" + one_line(status), "status");
}

Status notify_reloading(std::chrono::steady_clock::time_point now) {
  const auto since_boot =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
  return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(since_boot.count()), "reloading");
}

Status notify_stopping() { return send("STOPPING=1", "stopping"); }

Status notify_watchdog() { return send("WATCHDOG=1", "watchdog"); }

Result<std::optional<std::chrono::microseconds>> watchdog_interval() {
  std::uint64_t microseconds = 0;
  const int enabled = ::sd_watchdog_enabled(/* unset_environment= */ 0, &microseconds);
  if (enabled < 0)
    return errno_error("cannot read the watchdog interval from WATCHDOG_USEC", -enabled);
  if (enabled == 0) return std::optional<std::chrono::microseconds>{};
  return std::optional(std::chrono::microseconds(microseconds));
}

}  // namespace tariff::systemd
