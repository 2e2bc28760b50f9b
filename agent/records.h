// SPDX-License-Identifier: Apache-2.0
// The launcher's record of a job as the API shows it: durations since acceptance instead of raw
// clock readings, money as text. Pure translation; no effect.
#pragma once

#include "ipc/proto/agent.pb.h"
#include "launcher/protocol.pb.h"

namespace tariff::agent {

v1::Job api_job(const launcher::Record& record);

}  // namespace tariff::agent
