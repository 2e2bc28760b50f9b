// SPDX-License-Identifier: Apache-2.0
// The steps of an upgrade in place that know nothing of jobs: try the installed program on the
// state, execve it, and ask a running launcher to do so. What is handed over is in state.proto.
#pragma once

#include <string>
#include <vector>

#include "launcher/state.h"

namespace tariff::launcher {

/// What this process runs, as it was started.
struct Program {
  std::string path;                    ///< where the next image is installed
  std::vector<std::string> arguments;  ///< without --state
};

/// Runs `path --check-state` as a child: it must start and take over the state in `file`.
/// Blocks, at most kCheckPatience: a worker's.
Status check_image(const std::string& path, int file);
/// The other side of it: the exit status of --check-state.
int check_state_command(int file);

/// Returns only if it failed; then nothing has changed.
Error exec_image(const Program& program, const StateWriter& state);

/// --reload: asks the launcher at `socket` to upgrade and waits until the new one serves. The exit
/// status; says why not on stderr.
int reload_command(const std::string& socket);

}  // namespace tariff::launcher
