// SPDX-License-Identifier: Apache-2.0
// The tls section of the configuration as the transport sees it. Threading: pure but for reading
// the files.
#pragma once

#include <vector>

#include "config/load.h"
#include "config/schema.h"
#include "ipc/tls.h"

namespace tariff::agent {

ipc::TlsFiles tls_files(const config::Tls& tls);

/// What is wrong with the files that the section names: a config::TlsCheck.
std::vector<config::FileProblem> check_tls(const config::Tls& tls);

}  // namespace tariff::agent
