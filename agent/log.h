// SPDX-License-Identifier: Apache-2.0
// The agent's log: to the journal with structured fields (JOB_ID=, CLASS=, FUNCTION=), or to stderr
// when there is no journal. Asynchronous with a bounded queue: a slow or absent journald costs
// log lines (the oldest), never the loop. Only the composition and services log; library code
// returns its errors.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace tariff::agent {

enum class LogLevel { Error = 3, Warning = 4, Info = 6, Debug = 7 };  ///< syslog's numbers

using LogField = std::pair<std::string_view, std::string_view>;

void start_log(LogLevel least_important);
void stop_log();  ///< writes out what is queued
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace tariff::agent
