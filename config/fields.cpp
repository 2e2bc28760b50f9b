// SPDX-License-Identifier: Apache-2.0
#include "config/fields.h"

#include <algorithm>
#include <utility>

#include "config/scalars.h"
#include "config/similar.h"

namespace tariff::config {
namespace {

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

/// Runs one of the parsers of scalars.h; reports its error, with the key in front.
template <typename T>
std::optional<T> parsed(Result<T> result, std::string_view key, Position at, Report& report) {
  if (result) return std::move(*result);
  report.error(at, in_quotes(key) + ": " + result.error().message, result.error().hint);
  return std::nullopt;
}

}  // namespace

std::string out_of_range(std::string_view key, const std::string& text, const std::string& low,
                         const std::string& high) {
  return in_quotes(key) + " is " + text + ", not between " + low + " and " + high;
}

Fields::Fields(const Value& value, std::string_view what, std::span<const std::string_view> known,
               Report& report)
    : value_(value), report_(report) {
  if (value.kind != Value::Kind::Map) {
    if (value.kind != Value::Kind::Null)
      report.error(value.position,
                   std::string(what) + " is a map, but here is " + kind_text(value.kind),
                   "write keys and values: " + std::string(known[0]) + ": ...");
    return;
  }
  for (const auto& entry : value.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    report.error(entry.key_position, std::string(what) + " has no key " + in_quotes(entry.key),
                 suggestion(entry.key, known));
  }
}

Position Fields::at(std::string_view key) const {
  const Entry* found = find_entry(value_, key);
  return found == nullptr ? value_.position : found->value.position;
}

const Value* Fields::find(std::string_view key) const {
  const Entry* found = find_entry(value_, key);
  return found == nullptr || found->value.kind == Value::Kind::Null ? nullptr : &found->value;
}

bool Fields::require(std::string_view key, std::string_view hint) {
  if (find_entry(value_, key) != nullptr) return true;  // if it has no value, its reader says so
  report_.error(value_.position, in_quotes(key) + " is missing", std::string(hint));
  return false;
}

const Value* Fields::of_kind(std::string_view key, Value::Kind kind) {
  const Entry* found = find_entry(value_, key);
  if (found == nullptr) return nullptr;
  const Value& value = found->value;
  if (value.kind == kind) return &value;
  if (value.kind == Value::Kind::Null) {
    report_.error(value.position, in_quotes(key) + " has no value",
                  "give it one or remove the key");
  } else {
    report_.error(value.position, in_quotes(key) + " is " + kind_text(kind) + ", but here is " +
                                      kind_text(value.kind),
                  kind == Value::Kind::List ? "write [one, two], or a line '- one' for each" : "");
  }
  return nullptr;
}

const Value* Fields::scalar(std::string_view key) { return of_kind(key, Value::Kind::Scalar); }
const Value* Fields::list(std::string_view key) { return of_kind(key, Value::Kind::List); }

const Value* Fields::map(std::string_view key) {
  // "limits:" with every line below it commented out is an empty map.
  return find(key) == nullptr ? nullptr : of_kind(key, Value::Kind::Map);
}

bool Fields::read_text(std::string_view key, std::string& out) {
  const Value* value = scalar(key);
  if (value == nullptr) return false;
  out = value->text;
  return true;
}

bool Fields::read_boolean(std::string_view key, bool& out) {
  const Value* value = scalar(key);
  if (value == nullptr) return false;
  const auto result = parsed(parse_boolean(value->text), key, value->position, report_);
  if (result) out = *result;
  return result.has_value();
}

bool Fields::read_price(std::string_view key, Price& out) {
  const Value* value = scalar(key);
  if (value == nullptr) return false;
  const auto result = parsed(Price::parse(value->text), key, value->position, report_);
  if (result) out = *result;
  return result.has_value();
}

std::optional<std::int64_t> Fields::integer(std::string_view key, Range<std::int64_t> range) {
  const Value* value = scalar(key);
  if (value == nullptr) return std::nullopt;
  const auto result = parsed(parse_integer(value->text), key, value->position, report_);
  if (!result || (*result >= range.low && *result <= range.high)) return result;
  report_.error(value->position, out_of_range(key, value->text, std::to_string(range.low),
                                              std::to_string(range.high)));
  return std::nullopt;
}

bool Fields::read_bytes(std::string_view key, Range<std::uint64_t> range, std::uint64_t& out) {
  const Value* value = scalar(key);
  if (value == nullptr) return false;
  const auto result = parsed(parse_bytes(value->text), key, value->position, report_);
  if (!result) return false;
  if (*result < range.low || *result > range.high) {
    report_.error(value->position, out_of_range(key, value->text, bytes_text(range.low),
                                                bytes_text(range.high)));
    return false;
  }
  out = *result;
  return true;
}

bool Fields::read_bytes(std::string_view key, Range<std::uint64_t> range,
                        std::optional<std::uint64_t>& out) {
  std::uint64_t value = 0;
  const bool read = read_bytes(key, range, value);
  if (read) out = value;
  return read;
}

bool Fields::read_duration(std::string_view key, Range<std::chrono::milliseconds> range,
                           std::chrono::milliseconds& out) {
  const Value* value = scalar(key);
  if (value == nullptr) return false;
  const auto result = parsed(parse_duration(value->text), key, value->position, report_);
  if (!result) return false;
  if (*result < range.low || *result > range.high) {
    report_.error(value->position, out_of_range(key, value->text, duration_text(range.low),
                                                duration_text(range.high)));
    return false;
  }
  out = *result;
  return true;
}

bool Fields::read_duration(std::string_view key, Range<std::chrono::milliseconds> range,
                           std::optional<std::chrono::milliseconds>& out) {
  std::chrono::milliseconds value{0};
  const bool read = read_duration(key, range, value);
  if (read) out = value;
  return read;
}

}  // namespace tariff::config
