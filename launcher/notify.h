// SPDX-License-Identifier: Apache-2.0
// sd_notify(3) by hand: one datagram. The launcher and the holder link no libsystemd: they outlive
// upgrades of the system and stay small (the holder is static).
#pragma once

#include <string_view>

namespace tariff::launcher {

/// Sends e.g. "READY=1" to the socket that systemd named in NOTIFY_SOCKET. True if sent or if
/// nobody asked; errno says why not. Never blocks.
bool notify_systemd(std::string_view message);

}  // namespace tariff::launcher
