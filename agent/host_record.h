// SPDX-License-Identifier: Apache-2.0
// The record of host_changes.h as a file: /run/tariff/host-changes.json, mode 0644, replaced as a
// whole so that no reader and no crash ever sees half of it. It does not survive a boot, and
// neither do the changes.
#pragma once

#include <string>
#include <string_view>

#include "agent/host_changes.h"
#include "base/result.h"

namespace tariff::agent {

constexpr const char* kHostRecord = "/run/tariff/host-changes.json";

std::string to_json(const HostRecord& record);
Result<HostRecord> parse_host_record(std::string_view text);

/// An empty record if there is no file.
Result<HostRecord> read_host_record(const std::string& path);
Status write_host_record(const std::string& path, const HostRecord& record);

}  // namespace tariff::agent
