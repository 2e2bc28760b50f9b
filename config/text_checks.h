// SPDX-License-Identifier: Apache-2.0
// What has to hold of a text before a YAML parser sees it, and what to say when the parser refuses
// it: parsers accept broken encodings silently and name tabs only by their consequences. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/diagnostics.h"

namespace tariff::config {

/// The text behind a UTF-8 byte order mark. Called first, so that columns are right in line 1.
std::string_view without_byte_order_mark(std::string_view text);

/// False, and an error in the report, if the text is empty, too large, not UTF-8 or holds control
/// characters. CRLF line ends are fine.
bool check_text(std::string_view text, Report& report);

/// A parser's complaint, with a hint where the usual cause is visible in the text.
void report_syntax_error(std::string_view text, Position at, const std::string& complaint,
                         Report& report);

/// How many bytes the scalar that starts `source` takes in its first line, quotes included; 1 if
/// that cannot be told. Empty if it is quoted and the quote is never closed.
std::optional<int> scalar_length(std::string_view source, std::string_view value);

}  // namespace tariff::config
