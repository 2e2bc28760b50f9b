// SPDX-License-Identifier: Apache-2.0
// Reads the fields of one YAML map as typed values and reports what does not fit: unknown keys
// (with the key that was probably meant), keys without a value, values of the wrong kind or out of
// range.
// Nothing is applied that did not check: a getter gives an empty optional for "absent" and for
// "reported", so the caller's default stays.
//
//   Fields fields(value, "class", kKeys, report);
//   fields.read_text("name", name);
//   fields.read_integer("fifo_priority", {1, 98}, priority);
//   if (too_low) report.error(fields.at("fifo_priority"), "...");
//
// Threading: pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/money.h"
#include "config/document.h"

namespace tariff::config {

template <typename T>
struct Range {
  T low;
  T high;
};

class Fields {
 public:
  /// `what` names the map in messages ("a class"). A Null value is a map without keys.
  Fields(const Value& value, std::string_view what, std::span<const std::string_view> known,
         Report& report);

  /// Where the key's value is, else where the map is: for rules beyond a single value.
  [[nodiscard]] Position at(std::string_view key) const;

  /// The key's value; null if absent. A Null value counts as absent.
  [[nodiscard]] const Value* find(std::string_view key) const;

  /// True, or an error that the key is missing.
  bool require(std::string_view key, std::string_view hint);

  // Each reads the key into `out` and returns true, or leaves `out` alone and returns false.
  bool read_text(std::string_view key, std::string& out);
  bool read_boolean(std::string_view key, bool& out);
  bool read_price(std::string_view key, Price& out);
  bool read_bytes(std::string_view key, Range<std::uint64_t> range, std::uint64_t& out);
  bool read_bytes(std::string_view key, Range<std::uint64_t> range,
                  std::optional<std::uint64_t>& out);
  bool read_duration(std::string_view key, Range<std::chrono::milliseconds> range,
                     std::chrono::milliseconds& out);
  bool read_duration(std::string_view key, Range<std::chrono::milliseconds> range,
                     std::optional<std::chrono::milliseconds>& out);

  /// Any integer type; `range` must lie within it.
  template <typename T>
  bool read_integer(std::string_view key, Range<std::int64_t> range, T& out) {
    const auto value = integer(key, range);
    if (value) out = static_cast<T>(*value);
    return value.has_value();
  }

  /// The key's value if it is a list (or a map); wrong kinds are reported.
  const Value* list(std::string_view key);
  const Value* map(std::string_view key);

 private:
  /// The text of a scalar, with its place.
  const Value* scalar(std::string_view key);
  const Value* of_kind(std::string_view key, Value::Kind kind);
  std::optional<std::int64_t> integer(std::string_view key, Range<std::int64_t> range);

  const Value& value_;
  Report& report_;
};

/// "'key' is TEXT, not between LOW and HIGH".
std::string out_of_range(std::string_view key, const std::string& text, const std::string& low,
                         const std::string& high);

}  // namespace tariff::config
