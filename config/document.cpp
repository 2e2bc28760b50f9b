// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "config/text_checks.h"

namespace tariff::config {
namespace {

/// Thrown through yaml-cpp to end a parse whose error is already in the report.
struct Stop {};

Position position_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1, 0};
}

/// Builds the tree from the parser's events. `open_` is the path of unfinished maps and lists.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view text, Report& report) : text_(text), report_(report) {
    line_starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') line_starts_.push_back(i + 1);
  }

  Value take() && { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) stop(position_of(mark), "a second document", "write one document a file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    Value value;
    value.position = position_of(mark);
    add(std::move(value));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    stop(position_of(mark), "aliases are not supported", "write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    // "\0" is legal YAML, but paths, arguments and variables would end there.
    if (text.find('\0') != std::string::npos)
      stop(position_of(mark), "a text with a NUL character", "remove the \\0");
    Value value;
    value.kind = Value::Kind::Scalar;
    value.position = position_of(mark);
    const auto length = scalar_length(source_from(value.position), text);
    // yaml-cpp 0.7 takes the end of the file for a closing quote.
    if (!length) stop(value.position, "this quote is never closed", "");
    value.position.length = *length;
    value.text = text;
    add(std::move(value));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(Value::Kind::List, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(Value::Kind::Map, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    Value value;
    std::optional<Entry> key;  ///< a map's key that waits for its value
  };

  /// The source from `at` to the end.
  [[nodiscard]] std::string_view source_from(Position at) const {
    const auto line = static_cast<std::size_t>(at.line - 1);
    if (at.line < 1 || line >= line_starts_.size()) return {};
    const auto offset = line_starts_[line] + static_cast<std::size_t>(at.column - 1);
    return text_.substr(std::min(offset, text_.size()));
  }

  [[noreturn]] void stop(Position at, std::string message, std::string hint) {
    report_.error(at, std::move(message), std::move(hint));
    throw Stop{};
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      stop(position_of(mark), "anchors are not supported",
           "write the value out; a text that begins with '&' needs quotes");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    // "?" is yaml-cpp's for "none", "!" for a quoted scalar.
    if (!tag.empty() && tag != "?" && tag != "!")
      stop(position_of(mark), "tags are not supported",
           "remove it; a text that begins with '!' needs quotes");
  }

  void start(Value::Kind kind, const YAML::Mark& mark, const std::string& tag,
             YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() >= static_cast<std::size_t>(kMaxDepth))
      stop(position_of(mark), "nested more than " + std::to_string(kMaxDepth) + " levels deep", "");
    if (wants_key()) stop(position_of(mark), "a key must be a single word", "");
    Open open;
    open.value.kind = kind;
    open.value.position = position_of(mark);
    open_.push_back(std::move(open));
  }

  void end() {
    Value value = std::move(open_.back().value);
    open_.pop_back();
    add(std::move(value));
  }

  [[nodiscard]] bool wants_key() const {
    return !open_.empty() && open_.back().value.kind == Value::Kind::Map && !open_.back().key;
  }

  void add(Value value) {
    if (!open_.empty() && (open_.back().value.items.size() >= kMaxItems ||
                           open_.back().value.entries.size() >= kMaxKeys))
      stop(value.position, "too many entries",
           "at most " + std::to_string(kMaxItems) + " in a list, " + std::to_string(kMaxKeys) +
               " in a map");
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (wants_key()) {
      add_key(std::move(value));
    } else if (open_.back().value.kind == Value::Kind::Map) {
      Entry entry = std::move(*std::exchange(open_.back().key, std::nullopt));
      // Nothing is marked where the next token stands; the key is what to point at.
      if (value.kind == Value::Kind::Null) value.position = entry.key_position;
      entry.value = std::move(value);
      open_.back().value.entries.push_back(std::move(entry));
    } else {
      if (value.kind == Value::Kind::Null) value.position = open_.back().value.position;
      open_.back().value.items.push_back(std::move(value));
    }
  }

  void add_key(Value value) {
    if (value.kind != Value::Kind::Scalar) stop(value.position, "a key is missing here", "");
    const auto& entries = open_.back().value.entries;
    const auto same = std::find_if(entries.begin(), entries.end(),
                                   [&](const Entry& entry) { return entry.key == value.text; });
    if (same != entries.end())
      report_.error(value.position,
                    "'" + value.text + "' is already set in line " +
                        std::to_string(same->key_position.line),
                    "keep one of the two");
    // The second one is kept too, so that its value is checked; a reader finds the first.
    open_.back().key = Entry{std::move(value.text), value.position, {}};
  }

  std::string_view text_;
  std::vector<std::size_t> line_starts_;
  Report& report_;
  int documents_ = 0;
  Value root_;
  std::vector<Open> open_;
};

void run_parser(std::istream& input, Builder& builder) {
  YAML::Parser parser(input);
  while (parser.HandleNextDocument(builder)) {
  }
}

}  // namespace

const Entry* find_entry(const Value& map, std::string_view key) {
  const auto found = std::find_if(map.entries.begin(), map.entries.end(),
                                  [key](const Entry& entry) { return entry.key == key; });
  return found == map.entries.end() ? nullptr : &*found;
}

const char* kind_text(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::Null: return "nothing";
    case Value::Kind::Scalar: return "a single value";
    case Value::Kind::List: return "a list";
    case Value::Kind::Map: return "a map";
  }
  return "?";
}

std::optional<Value> parse_document(std::string_view text, Report& report) {
  if (!check_text(text, report)) return std::nullopt;
  std::istringstream input{std::string(text)};
  Builder builder(text, report);
  try {
    run_parser(input, builder);
  } catch (const Stop&) {
    return std::nullopt;
  } catch (const YAML::Exception& exception) {
    report_syntax_error(text, position_of(exception.mark), exception.msg, report);
    return std::nullopt;
  } catch (const std::exception& exception) {
    report.error({}, std::string("the YAML parser gave up: ") + exception.what());
    return std::nullopt;
  }
  return std::move(builder).take();
}

}  // namespace tariff::config
