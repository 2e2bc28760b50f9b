// SPDX-License-Identifier: Apache-2.0
#include "sim/profile.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "config/fields.h"
#include "sim/profile_reader.h"

namespace tariff::sim {
namespace {

using config::Entry;
using config::Report;
using config::Value;

/// Puts one key of a dotted path, making maps on the way.
void put(Value& root, std::string_view path, Value value) {
  Value* at = &root;
  while (true) {
    const auto dot = path.find('.');
    const std::string key(path.substr(0, dot));
    if (at->kind != Value::Kind::Map) *at = Value{Value::Kind::Map, {}, {}, {}, {}};
    auto found = std::find_if(at->entries.begin(), at->entries.end(),
                              [&](const Entry& entry) { return entry.key == key; });
    if (found == at->entries.end()) {
      at->entries.push_back({key, {}, Value{}});
      found = at->entries.end() - 1;
    }
    at = &found->value;
    if (dot == std::string_view::npos) break;
    path.remove_prefix(dot + 1);
  }
  *at = std::move(value);
}

std::vector<std::string_view> with_sections(std::vector<std::string_view> keys) {
  keys.insert(keys.end(), kSectionKeys.begin(), kSectionKeys.end());
  return keys;
}

void read_runs(const Value& map, Experiment& out, Report& report) {
  if (const Entry* loads = config::find_entry(map, "loads"))
    out.loads = read_loads(loads->value, report);
  if (const Entry* systems = config::find_entry(map, "systems"))
    out.systems = read_systems(systems->value, report);
}

Error as_error(Report&& report) {
  return Error{ErrorKind::InvalidArgument, config::render(std::move(report).take()), {}};
}

}  // namespace

const Experiment* Profile::find(std::string_view experiment) const {
  for (const auto& one : experiments)
    if (one.name == experiment) return &one;
  return nullptr;
}

Result<Setting> parse_setting(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return Error{ErrorKind::InvalidArgument, "'" + text + "' is not a setting",
                 "write for example placement.k=5"};
  return Setting{text.substr(0, equals), text.substr(equals + 1)};
}

Result<Profile> parse_profile(const std::string& file, const std::string& text,
                              const std::vector<Setting>& settings) {
  Report report(file, text);
  auto root = config::parse_document(text, report);
  if (!root || report.has_errors()) return as_error(std::move(report));

  // What --set says has its own text and its own places.
  std::string said = "# nothing\n";
  for (const auto& [key, value] : settings) said += key + ": " + value + "\n";
  Report said_report("--set", said);
  auto flat = config::parse_document(said, said_report);
  Value overrides{Value::Kind::Map, {}, {}, {}, {}};
  if (flat)
    for (auto& entry : flat->entries) put(overrides, entry.key, std::move(entry.value));
  config::Fields(overrides, "--set", with_sections({"loads", "systems"}), said_report);

  Profile out;
  config::Fields top(*root, "a profile",
                     with_sections({"name", "description", "experiments", "loads", "systems"}),
                     report);
  top.read_text("name", out.name);
  top.read_text("description", out.description);
  Experiment common{"run", {}, {150}, {System::Tariff}};
  read_sections(*root, common.settings, report);
  read_runs(*root, common, report);
  const Value* experiments = top.map("experiments");
  if (experiments == nullptr) out.experiments.push_back(common);
  else
    for (const auto& entry : experiments->entries) {
      Experiment one = common;
      one.name = entry.key;
      config::Fields fields(entry.value, "an experiment", with_sections({"loads", "systems"}),
                            report);
      read_sections(entry.value, one.settings, report);
      read_runs(entry.value, one, report);
      out.experiments.push_back(std::move(one));
    }
  for (auto& one : out.experiments) {
    Report& to = said_report;
    const bool first = &one == &out.experiments.front();
    Report again("--set", said);  // errors are told once
    read_sections(overrides, one.settings, first ? to : again);
    read_runs(overrides, one, first ? to : again);
  }
  if (report.has_errors()) return as_error(std::move(report));
  if (said_report.has_errors()) return as_error(std::move(said_report));
  return out;
}

Result<Profile> load_profile(const std::string& name_or_path,
                             const std::vector<Setting>& settings) {
  if (const auto text = shipped_profile(name_or_path); !text.empty()) {
    auto profile = parse_profile(name_or_path + ".yaml", std::string(text), settings);
    if (profile) profile->name = name_or_path;
    return profile;
  }
  std::ifstream file(name_or_path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return errno_error("cannot read the profile " + name_or_path, errno,
                       "shipped ones are author, paper and tariff");
  auto profile = parse_profile(name_or_path, text.str(), settings);
  if (profile && profile->name.empty()) profile->name = name_or_path;
  return profile;
}

}  // namespace tariff::sim
