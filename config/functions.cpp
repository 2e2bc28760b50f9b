// SPDX-License-Identifier: Apache-2.0
// functions.d/*.yaml.
#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "config/function_version.h"
#include "config/load.h"
#include "config/scalars.h"
#include "config/sections.h"
#include "config/similar.h"
#include "config/text_checks.h"

namespace tariff::config {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

constexpr std::array kFileKeys = {"functions"sv};
constexpr std::array kFunctionKeys = {
    "name"sv,              "argv"sv,    "class"sv,       "owner"sv,      "env"sv,
    "working_directory"sv, "timeout"sv, "cpu_timeout"sv, "memory_max"sv, "pids_max"sv,
    "result_max"sv};

constexpr std::size_t kMaxNameLength = 63;      // schema.h; a DNS label
constexpr std::size_t kMaxArguments = 256;
constexpr std::size_t kMaxStartBytes = 65'536;  // argv and env; half of what one exec argument may
constexpr std::int64_t kMaxPids = 4'194'304;    // PID_MAX_LIMIT of 64-bit kernels
constexpr std::uint64_t kMinMemory = 1 << 20;   // less holds no process image
constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 50;
constexpr std::uint64_t kMaxResult = 4'000'000;  // leaves room for the record in a 4 MiB frame
constexpr std::uint64_t kRecordBytes = 65'536;   // what a reply holds besides the result, at most

/// Reads the functions of one file after the other; names are unique over all of them.
class FunctionReader {
 public:
  explicit FunctionReader(const NodeConfig& node) : max_frame_(node.limits.max_frame_bytes) {
    for (const auto& row : node.classes) classes_.push_back(row.name);
  }

  void read_file(const NamedText& file);
  std::vector<Function> take_functions() && { return std::move(functions_); }
  std::vector<Diagnostic> take_diagnostics() && { return std::move(diagnostics_); }

 private:
  void read_function(const Value& value, Report& report);
  void read_argv(Fields& fields, Function& out, Report& report) const;
  void read_env(Fields& fields, Function& out, Report& report) const;
  void read_class(Fields& fields, Function& out, Report& report) const;
  void read_bounds(Fields& fields, Function& out, Report& report) const;

  std::uint64_t max_frame_;
  std::vector<std::string_view> classes_;
  std::vector<Function> functions_;
  std::map<std::string, std::string, std::less<>> sources_;  ///< name -> "file:line"
  std::vector<Diagnostic> diagnostics_;
};

bool is_env_name(std::string_view name) {
  const auto letter = [](char c) {
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c); });
}

void FunctionReader::read_file(const NamedText& file) {
  const auto text = without_byte_order_mark(file.text);
  Report report(file.name, text);
  const auto root = parse_document(text, report);
  if (root && root->kind != Value::Kind::Null) {
    Fields fields(*root, "the file", kFileKeys, report);
    if (root->kind == Value::Kind::Map && root->entries.empty())
      fields.require("functions", "write functions: [...]");
    const Value* list = fields.find("functions") == nullptr ? nullptr : fields.list("functions");
    if (list != nullptr)
      for (const auto& item : list->items) read_function(item, report);
  }
  auto found = std::move(report).take();
  std::move(found.begin(), found.end(), std::back_inserter(diagnostics_));
}

void FunctionReader::read_class(Fields& fields, Function& out, Report& report) const {
  if (!fields.read_text("class", out.price_class)) return;
  if (std::find(classes_.begin(), classes_.end(), out.price_class) != classes_.end()) return;
  report.error(fields.at("class"), "there is no class '" + out.price_class + "'",
               suggestion(out.price_class, classes_));
}

void FunctionReader::read_argv(Fields& fields, Function& out, Report& report) const {
  const Value* list = fields.list("argv");
  if (list == nullptr) return;
  std::size_t bytes = 0;
  for (const auto& item : list->items) {
    if (item.kind != Value::Kind::Scalar) {
      report.error(item.position, std::string("an argument is a text, but here is ") +
                                      kind_text(item.kind),
                   "put it in quotes");
      return;
    }
    bytes += item.text.size() + 1;
    out.argv.push_back(item.text);
  }
  if (out.argv.empty())
    report.error(list->position, "'argv' is empty", "name at least the program");
  else if (!out.argv[0].starts_with('/'))
    report.error(list->items[0].position,
                 "'argv': the program '" + out.argv[0] + "' is not an absolute path",
                 "there is no search path; write for example /usr/bin/python3");
  if (out.argv.size() > kMaxArguments || bytes > kMaxStartBytes)
    report.error(list->position, "'argv' is too long",
                 "at most " + std::to_string(kMaxArguments) + " arguments and " +
                     std::to_string(kMaxStartBytes) + " bytes; large data belongs in the payload");
}

void FunctionReader::read_env(Fields& fields, Function& out, Report& report) const {
  const Value* map = fields.map("env");
  if (map == nullptr) return;
  std::size_t bytes = 0;
  for (const auto& entry : map->entries) {
    if (!is_env_name(entry.key))
      report.error(entry.key_position, "'" + entry.key + "' is not a name of a variable",
                   "letters, digits and '_', no digit first");
    else if (entry.key.starts_with("TARIFF_"))
      report.error(entry.key_position, "'" + entry.key + "' is reserved",
                   "variables that begin with TARIFF_ are set by the launcher");
    // "NAME:" is an empty value, as in a shell.
    else if (entry.value.kind != Value::Kind::Scalar && entry.value.kind != Value::Kind::Null)
      report.error(entry.value.position, "'" + entry.key + "' is a text, but here is " +
                                             kind_text(entry.value.kind));
    bytes += entry.key.size() + entry.value.text.size() + 2;
    out.env.emplace(entry.key, entry.value.text);
  }
  if (bytes > kMaxStartBytes)
    report.error(map->position, "'env' is too long",
                 "at most " + std::to_string(kMaxStartBytes) + " bytes in all");
}

void FunctionReader::read_bounds(Fields& fields, Function& out, Report& report) const {
  constexpr Range<std::chrono::milliseconds> kTimes{1ms, 24h * 30};
  fields.read_duration("timeout", kTimes, out.timeout);
  fields.read_duration("cpu_timeout", kTimes, out.cpu_timeout);
  fields.read_bytes("memory_max", {kMinMemory, kMaxMemory}, out.memory_max_bytes);
  fields.read_integer("pids_max", {1, kMaxPids}, out.pids_max);
  fields.read_bytes("result_max", {0, kMaxResult}, out.result_max_bytes);
  if (out.result_max_bytes + kRecordBytes > max_frame_)
    report.error(fields.at("result_max"),
                 "'result_max' (" + bytes_text(out.result_max_bytes) +
                     ") does not fit into limits.max_frame (" + bytes_text(max_frame_) + ")",
                 "a reply needs " + bytes_text(kRecordBytes) + " more than its result");
}

void FunctionReader::read_function(const Value& value, Report& report) {
  const std::size_t errors_before = report.errors();
  Function out;
  Fields fields(value, "a function", kFunctionKeys, report);
  if (value.kind == Value::Kind::Map) {
    fields.require("name", "it is placed by this name");
    fields.require("argv", "the program and its arguments: argv: [/usr/bin/python3, handler.py]");
    fields.require("class", "its price class");
  } else if (value.kind == Value::Kind::Null) {
    report.error(value.position, "a function of this list is empty");
  }
  read_name(fields, "name", kMaxNameLength, out.name, report);
  read_argv(fields, out, report);
  read_class(fields, out, report);
  read_name(fields, "owner", kMaxNameLength, out.owner, report);
  read_env(fields, out, report);
  read_path(fields, "working_directory", out.working_directory, report);
  read_bounds(fields, out, report);

  const Position at = fields.at("name");
  out.source = report.file() + ":" + std::to_string(at.line);
  if (!out.name.empty()) {
    const auto [other, added] = sources_.emplace(out.name, out.source);
    if (!added)
      report.error(at, "function '" + out.name + "' is already defined at " + other->second,
                   "names of functions are unique over all files");
  }
  if (functions_.size() >= kMaxFunctions)
    report.error(at, "more than " + std::to_string(kMaxFunctions) + " functions");
  if (report.errors() > errors_before) return;
  out.version = function_version(out);
  functions_.push_back(std::move(out));
}

}  // namespace

Loaded<std::vector<Function>> parse_functions(const std::vector<NamedText>& files,
                                              const NodeConfig& node) {
  FunctionReader reader(node);
  for (const auto& file : files) reader.read_file(file);
  Loaded<std::vector<Function>> out;
  out.diagnostics = std::move(reader).take_diagnostics();
  if (!has_errors(out.diagnostics)) out.value = std::move(reader).take_functions();
  return out;
}

}  // namespace tariff::config
