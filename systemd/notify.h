// SPDX-License-Identifier: Apache-2.0
// What a Type=notify service tells its service manager: ready, reloading, stopping, a line for
// `systemctl status`, and the watchdog's ping (sd_notify(3)).
// All of them succeed and do nothing when no manager listens (NOTIFY_SOCKET unset), so that a
// daemon runs from a shell as well. They send one datagram; it can wait only if the manager's queue
// is full.
//
//   systemd::notify_ready("3 classes, 0 jobs");
//   if (auto interval = systemd::watchdog_interval(); interval && *interval) ping at **interval / 2
//
// Threading: any thread; the environment must not be changed meanwhile.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace tariff::systemd {

/// The daemon serves. `status` is the line `systemctl status` shows; control characters in it
/// become blanks, since a newline would start another assignment.
Status notify_ready(std::string_view status);

/// Replaces the status line.
Status notify_status(std::string_view status);

/// The configuration is being read again; notify_ready() ends it. `now` is taken before reading:
/// Type=notify-reload (systemd 253 and later) tells with it which reload is meant.
Status notify_reloading(std::chrono::steady_clock::time_point now);

/// The daemon has begun to stop.
Status notify_stopping();

/// The daemon's loop is alive. Call it from the loop itself, never from a thread of its own.
Status notify_watchdog();

/// After how long without notify_watchdog() the manager kills us (WatchdogSec=), empty if it does
/// not watch this process. Ping at half of it.
Result<std::optional<std::chrono::microseconds>> watchdog_interval();

}  // namespace tariff::systemd
