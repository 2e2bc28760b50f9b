// SPDX-License-Identifier: Apache-2.0
// Each bad file in bad/ with the whole text that a person sees for it, side by side: X.yaml, X.txt.
// Wording is reviewed like code. Files that begin with "functions-" are function files.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load.h"
#include "support/catch.h"

using namespace tariff::config;
namespace fs = std::filesystem;

namespace {

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string diagnosis(const fs::path& path) {
  const std::string text = read_file(path);
  const std::string name = path.filename();
  if (!name.starts_with("functions-")) {
    const auto loaded = parse_node_config(text, name);
    CHECK(loaded.value.has_value() != has_errors(loaded.diagnostics));
    return render(loaded.diagnostics);
  }
  const auto loaded = parse_functions({{text, name}}, *parse_node_config("#", "").value);
  CHECK(loaded.value.has_value() != has_errors(loaded.diagnostics));
  return render(loaded.diagnostics);
}

}  // namespace

TEST_CASE("each bad file gives exactly its text", "[config]") {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(TARIFF_BAD_CONFIGS))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 40);
  for (const auto& path : files) {
    INFO(path.filename());
    const std::string expected = read_file(fs::path(path).replace_extension(".txt"));
    CHECK_FALSE(expected.empty());
    CHECK(diagnosis(path) == expected);
  }
}
