// SPDX-License-Identifier: Apache-2.0
// Which version of launcher/protocol.proto both sides speak. Fields are only ever added, so a newer
// side reads an older one's messages; the version says what may be expected of the peer. A release
// that adds a field the other side must understand raises kProtocolNewest and keeps kProtocolOldest
// one behind it: an upgrade of the agent never forces an upgrade of the launcher, which would cost
// the running jobs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#ifndef TARIFF_VERSION
#define TARIFF_VERSION "unknown"  // of a build without CMake
#endif

namespace tariff::launcher {

struct ProtocolRange {
  std::uint32_t oldest = 0;
  std::uint32_t newest = 0;
};

/// What this build speaks. Version 1 is the first.
constexpr ProtocolRange kProtocol{1, 1};

/// Which versions of launcher/state.proto this build takes over; it writes the newest.
constexpr ProtocolRange kState{1, 1};

/// The newest version that both speak, or nothing.
constexpr std::optional<std::uint32_t> agree(ProtocolRange ours, ProtocolRange theirs) {
  const std::uint32_t newest = std::min(ours.newest, theirs.newest);
  const std::uint32_t oldest = std::max(ours.oldest, theirs.oldest);
  if (newest == 0 || newest < oldest) return std::nullopt;
  return newest;
}

}  // namespace tariff::launcher
