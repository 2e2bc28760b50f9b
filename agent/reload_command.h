// SPDX-License-Identifier: Apache-2.0
// `tariffd --reload PID`, what `systemctl reload tariffd` runs: checks the files first, so that a
// bad one is reported to whoever typed the command, asks the running agent to reload, and returns
// when it has. systemd 252 has no Type=notify-reload, and a bare kill would return too early.
#pragma once

#include <string>

namespace tariff::agent {

/// Exit status: 0 reloaded; 1 the files have errors, or the agent refused or did not answer.
int reload_command(const std::string& config_path, int agent_pid);

}  // namespace tariff::agent
