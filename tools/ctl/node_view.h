// SPDX-License-Identifier: Apache-2.0
// A machine as text: `tariffctl status`, `poll` and `functions`. Pure.
#pragma once

#include <string>

#include "ipc/proto/agent.pb.h"

namespace tariff::ctl {

/// Per class (dearest first) what it does and costs; below it the node's own lines.
std::string status_text(const v1::StatusReply& status);

std::string poll_text(const v1::PollReply& poll);

std::string functions_text(const v1::FunctionsReply& functions);

/// "3 running, 1 waiting, 0 swapped; 1.20 GiB free": the load in one line.
std::string load_text(const v1::PollReply& poll);

/// Jobs placed and not ended.
int jobs_on(const v1::PollReply& poll);

}  // namespace tariff::ctl
