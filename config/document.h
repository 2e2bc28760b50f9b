// SPDX-License-Identifier: Apache-2.0
// A YAML text as a tree that knows where everything was written. document.cpp is the only file that
// includes yaml-cpp; the rest of config/ reads this tree.
// Only the plain part of YAML is accepted: one document of maps, lists and scalars. Anchors and
// aliases (which can blow a small file up to a huge tree), tags, merge keys and further documents
// are errors that say so. Duplicate keys are errors that name both places.
// Scalars stay text: what 010, yes or 1e3 mean is for the reader of the field to say.
// Bounds: the constants below. Threading: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace tariff::config {

/// 1 MiB holds some 5,000 functions; yaml-cpp needs about a second for it.
inline constexpr std::size_t kMaxTextBytes = 1 << 20;
/// The deepest legal file has 5 levels.
inline constexpr int kMaxDepth = 16;
inline constexpr std::size_t kMaxItems = 10'000;  ///< of one list
inline constexpr std::size_t kMaxKeys = 1'000;    ///< of one map

struct Entry;

struct Value {
  enum class Kind {
    Null,  ///< "key:" with nothing behind it
    Scalar,
    List,
    Map,
  };
  Kind kind = Kind::Null;
  Position position;
  std::string text;            ///< Scalar
  std::vector<Value> items;    ///< List
  std::vector<Entry> entries;  ///< Map
};

struct Entry {
  std::string key;
  Position key_position;
  Value value;
};

/// The entry of a map; null if it has none, or is no map.
const Entry* find_entry(const Value& map, std::string_view key);

/// "a list", "a map", "a single value" or "nothing", for messages.
const char* kind_text(Value::Kind kind);

/// The tree of `text`. Empty if it has none: the reason is in `report`. A text of comments only is
/// a Null. Duplicate keys are reported, and the rest of the tree can still be checked.
std::optional<Value> parse_document(std::string_view text, Report& report);

}  // namespace tariff::config
