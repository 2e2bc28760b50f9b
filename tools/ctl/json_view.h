// SPDX-License-Identifier: Apache-2.0
// API messages as JSON, the same for every command: the field names of ipc/proto/agent.proto,
// numbers as numbers, enumerators in lower case without their prefix ("ended", "cpu_timeout"),
// every field present so that scripts need no defaults. Bytes are text where they are UTF-8, else
// base64 under "<name>_base64".
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tariff::ctl {

using Json = nlohmann::ordered_json;

Json to_json(const google::protobuf::Message& message);

/// Adds bytes under `name` as text, or under `name`_base64.
void put_bytes(Json& object, const std::string& name, const std::string& bytes);

std::string base64(std::string_view bytes);
bool is_utf8(std::string_view bytes);

/// Two-space indented, ended by '\n'. Text that is not UTF-8 gets replacement characters.
std::string json_text(const Json& value);
/// On one line, for streams.
std::string json_line(const Json& value);

}  // namespace tariff::ctl
