// SPDX-License-Identifier: Apache-2.0
// Named crash points: each instant at which a kill -9 would hurt most has a name, so that a test
// can reproduce it. The process kills itself with SIGKILL when it reaches the point named by the
// environment variable TARIFF_CRASH_POINT ("name" or "name:N" for the Nth time it gets there).
// Without the variable a point costs one load and one branch. docs/reliability.md lists them all.
// Threading: any thread.
#pragma once

namespace tariff {

/// Reads TARIFF_CRASH_POINT once; called first thing by each main().
void crash_points_from_environment();

/// Dies here if this point was asked for. `name` is a literal such as "launcher.after_clone".
void crash_point(const char* name) noexcept;

}  // namespace tariff
