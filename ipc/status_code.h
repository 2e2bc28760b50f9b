// SPDX-License-Identifier: Apache-2.0
// How an Error travels: its kind as a gRPC status code (google.rpc.Code), its text as the message.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tariff::ipc {

/// The google.rpc.Code of a kind; never 0.
[[nodiscard]] std::int32_t code_of(ErrorKind kind);

/// The kind of a google.rpc.Code; a code that we do not use ourselves is Unknown.
[[nodiscard]] ErrorKind kind_of(std::int32_t code);

/// The code as people write it: "NOT_FOUND".
[[nodiscard]] std::string_view code_name(std::int32_t code);

/// The text with every byte that is not part of well-formed UTF-8 replaced by '?', and cut to
/// 4 KiB: a protobuf string must be UTF-8, and an error text may quote what somebody else wrote.
[[nodiscard]] std::string as_utf8(std::string text);

}  // namespace tariff::ipc
