// SPDX-License-Identifier: Apache-2.0
// Checks for our own bugs. They stay on in release builds: a daemon that schedules other people's
// work must stop at the first broken invariant rather than go on with a wrong table.
// What the world can cause (a full disk, a bad message) is never a check but a Result.
#pragma once

namespace tariff {

/// Prints "file:line: check failed: expression: message" to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const char* message) noexcept;

}  // namespace tariff

#define TARIFF_CHECK(expression, message)                                      \
  do {                                                                         \
    if (!(expression)) [[unlikely]]                                            \
      ::tariff::check_failed(__FILE__, __LINE__, #expression, message);        \
  } while (false)
