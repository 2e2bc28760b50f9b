// SPDX-License-Identifier: Apache-2.0
// The launcher's own log: one line on stderr, with the priority as sd-daemon(3) reads it. Few lines
// on purpose: what a job does is in its record. Never blocks: if the journal does not take a line
// it is lost. Threading: any thread.
#pragma once

namespace tariff::launcher {

enum class LogLevel { Error = 3, Warning = 4, Notice = 5, Info = 6 };

[[gnu::format(printf, 2, 3)]] void log_line(LogLevel level, const char* format, ...);

}  // namespace tariff::launcher
