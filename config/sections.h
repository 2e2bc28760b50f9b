// SPDX-License-Identifier: Apache-2.0
// The parts of tariffd.yaml that have rules of their own. Internal to config/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/fields.h"
#include "config/load.h"
#include "config/schema.h"

namespace tariff::config {

/// [a-z][a-z0-9-]{0,most-1}: names of classes, functions and tenants. They become file names,
/// labels and words on a command line.
bool is_name(std::string_view text, std::size_t most);

/// Reads key "name"-like text and reports what is no name.
bool read_name(Fields& fields, std::string_view key, std::size_t most, std::string& out,
               Report& report);

/// An absolute path without "//", "." and ".." components and without a slash at the end.
bool read_path(Fields& fields, std::string_view key, std::string& out, Report& report);

FifoBands read_fifo(const Value& section, Report& report);

/// `rows` null: the default classes. `bands` null: they are wrong themselves, so that nothing can
/// be said about priorities. Empty if anything was reported.
std::vector<PriceClass> read_classes(const Value* rows, const FifoBands* bands, Report& report);

/// "127.0.0.1:7070" or "[::1]:7070"; empty if it is not a numeric address and a port.
struct Endpoint {
  std::string address;
  bool loopback = false;
};
std::optional<Endpoint> parse_endpoint(std::string_view text);

/// `section` null or Null: there is none.
std::optional<Tls> read_tls(const Value* section, const TlsCheck& check, Report& report);

Sockets read_sockets(const Value& section, Report& report);
Limits read_limits(const Value& section, Report& report);

}  // namespace tariff::config
