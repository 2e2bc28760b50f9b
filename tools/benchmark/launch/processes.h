// SPDX-License-Identifier: Apache-2.0
// What Tariff's launch is compared with: the same static program started in the ways that people
// have without it. Each call returns when the program has ended and its status is known.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "tools/benchmark/launch/samples.h"

namespace tariff::benchmark {

/// posix_spawn with three pipes (a payload, a result, errors), the way a function server without
/// classes, limits or bills would do it: the floor.
Status spawn_with_pipes(const std::string& program);

/// A client program to its end, such as systemd-run or crun, without pipes.
Status run_client(const std::vector<std::string>& argv);

}  // namespace tariff::benchmark
