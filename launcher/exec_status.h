// SPDX-License-Identifier: Apache-2.0
// The launcher's end of what a trampoline says (ExecStatus).
#pragma once

#include <optional>

#include "base/fd.h"
#include "launcher/exec_options.h"

namespace tariff::launcher {

/// One message of the trampoline, or that its end is closed; nothing if there is none yet.
struct ReceivedStatus {
  bool closed = false;
  ExecStatus status{};
  Fd attached;
};
std::optional<ReceivedStatus> receive_status(int channel);

}  // namespace tariff::launcher
