// SPDX-License-Identifier: Apache-2.0
// One launcher has one agent. A second one would push the first out of its connection, and be
// pushed out in turn, for ever.
#pragma once

#include <string>

#include "base/fd.h"

namespace tariff::agent {

/// Held as long as this process serves the launcher whose socket is `launcher_socket`. An flock(2)
/// on the socket's directory: it needs no file (also where /run is read-only) and ends with the
/// process. FailedPrecondition: another agent has it.
Result<Fd> be_the_only_agent(const std::string& launcher_socket);

}  // namespace tariff::agent
