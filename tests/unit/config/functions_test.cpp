// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/function_version.h"
#include "config/load.h"
#include "support/catch.h"

using namespace tariff;
using namespace tariff::config;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

NodeConfig node() { return *parse_node_config("#", "").value; }

/// A directory with the given files, gone at the end.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/tariff-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
    std::ofstream(path_ + "/" + name) << text;
    ::chmod((path_ + "/" + name).c_str(), mode);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string one(const std::string& name) {
  return "functions: [{name: " + name + ", argv: [/bin/true], class: bulk}]\n";
}

}  // namespace

TEST_CASE("every field of a function is read, and the others have defaults", "[config]") {
  const auto loaded = parse_functions({{R"(
functions:
  - name: home
    argv: [/usr/bin/python3, "-c", 5, yes, "a b"]
    class: critical
    owner: shop
    env: {LANG: C.UTF-8, EMPTY: }
    working_directory: /
    timeout: 2s
    cpu_timeout: 500ms
    memory_max: 64MiB
    pids_max: 16
    result_max: 4000000
  - {name: tiny, argv: [/bin/true], class: bulk}
)", "web.yaml"}}, node());
  CHECK(render(loaded.diagnostics) == "");
  REQUIRE(loaded.value);
  REQUIRE(loaded.value->size() == 2);
  Function home;
  home.name = "home";
  home.argv = {"/usr/bin/python3", "-c", "5", "yes", "a b"};
  home.price_class = "critical";
  home.owner = "shop";
  home.env = {{"EMPTY", ""}, {"LANG", "C.UTF-8"}};
  home.working_directory = "/";
  home.timeout = 2s;
  home.cpu_timeout = 500ms;
  home.memory_max_bytes = 64 << 20;
  home.pids_max = 16;
  home.result_max_bytes = 4'000'000;
  home.source = "web.yaml:3";
  home.version = function_version(home);
  CHECK((*loaded.value)[0] == home);

  Function tiny;
  tiny.name = "tiny";
  tiny.argv = {"/bin/true"};
  tiny.price_class = "bulk";
  tiny.source = "web.yaml:14";
  tiny.version = function_version(tiny);
  CHECK((*loaded.value)[1] == tiny);
}

TEST_CASE("a version is 16 hex digits of everything but where it was written", "[config]") {
  Function base;
  base.name = "hello";
  base.argv = {"/bin/sleep", "0.02"};
  base.price_class = "bulk";
  // Recorded: versions are kept in job records and compared across releases.
  CHECK(function_version(base) == "528c35cb120f34c6");

  std::vector<Function> variants(12, base);
  variants[0].name = "hallo";
  variants[1].argv = {"/bin/sleep", "0.0", "2"};
  variants[2].argv = {"/bin/sleep0.02"};
  variants[3].price_class = "standard";
  variants[4].owner = "shop";
  variants[5].env = {{"A", "1"}};
  variants[6].env = {{"A1", ""}};
  variants[7].working_directory = "/";
  variants[8].timeout = 1s;
  variants[9].cpu_timeout = 1s;
  variants[10].memory_max_bytes = 1000;
  variants[11].pids_max = 1;
  std::vector<std::string> seen{function_version(base)};
  for (const auto& variant : variants) {
    const std::string version = function_version(variant);
    CHECK(version.size() == 16);
    CHECK(std::count(seen.begin(), seen.end(), version) == 0);
    seen.push_back(version);
  }
  Function moved = base;
  moved.source = "other.yaml:9";
  moved.version = "x";
  CHECK(function_version(moved) == function_version(base));
}

TEST_CASE("a directory's function files are read in order, and nothing else", "[config]") {
  Directory directory;
  directory.write("b.yaml", one("second"));
  directory.write("a.yaml", one("first"));
  directory.write("c.yaml", "# none yet\n");
  directory.write("d.yaml", "functions:\n");
  directory.write("a.yaml.dpkg-old", "garbage: [");
  directory.write(".hidden.yaml", "garbage: [");
  directory.write("README", "garbage: [");
  const auto loaded = load_functions(directory.path(), node());
  CHECK(render(loaded.diagnostics) == "");
  REQUIRE(loaded.value);
  REQUIRE(loaded.value->size() == 2);
  CHECK((*loaded.value)[0].name == "first");
  CHECK((*loaded.value)[1].name == "second");
  CHECK((*loaded.value)[0].source == directory.path() + "/a.yaml:1");
}

TEST_CASE("errors of all function files come at once, duplicates name both places", "[config]") {
  Directory directory;
  directory.write("a.yaml", one("same"));
  directory.write("b.yaml", "functions: [\n");
  directory.write("c.yaml", "functions:\n- {name: same, argv: [/bin/true], class: gold}\n");
  directory.write("d.yaml", one("writable"), 0666);
  directory.write("e.yml", one("ignored"));
  const auto loaded = load_functions(directory.path(), node());
  CHECK_FALSE(loaded.value);
  const std::string& dir = directory.path();
  CHECK(render(loaded.diagnostics) ==
        dir + "/e.yml: warning: not read: its name does not end in .yaml\n"
        "\n" +
        dir + "/d.yaml: error: everybody may write it, and the agent is root\n"
        "  hint: chmod o-w " + dir + "/d.yaml\n"
        "\n" +
        dir + "/b.yaml:2:1: error: not YAML: end of sequence flow not found\n"
        "   2 | \n"
        "     | ^\n"
        "  hint: look at brackets, quotes and indentation up to here\n"
        "\n" +
        dir + "/c.yaml:2:10: error: function 'same' is already defined at " + dir + "/a.yaml:1\n"
        "   2 | - {name: same, argv: [/bin/true], class: gold}\n"
        "     |          ^~~~\n"
        "  hint: names of functions are unique over all files\n"
        "\n" +
        dir + "/c.yaml:2:42: error: there is no class 'gold'\n"
        "   2 | - {name: same, argv: [/bin/true], class: gold}\n"
        "     |                                          ^~~~\n"
        "  hint: known are: bulk, background, standard, interactive, critical\n"
        "\n"
        "4 errors, 1 warning\n");
}

TEST_CASE("a function file that is no file is an error and blocks nothing", "[config]") {
  Directory directory;
  REQUIRE(::mkfifo((directory.path() + "/pipe.yaml").c_str(), 0600) == 0);
  REQUIRE(::symlink("/nonexistent", (directory.path() + "/link.yaml").c_str()) == 0);
  const auto loaded = load_functions(directory.path(), node());
  CHECK(render(loaded.diagnostics) ==
        directory.path() + "/link.yaml: error: cannot open it: No such file or directory\n\n" +
            directory.path() + "/pipe.yaml: error: not a regular file\n\n2 errors\n");

  const auto missing = load_functions("/nonexistent/functions.d", node());
  CHECK(render(missing.diagnostics) ==
        "/nonexistent/functions.d: error: cannot list it: No such file or directory\n"
        "  hint: make the directory, or set functions_directory\n\n1 error\n");
}

TEST_CASE("a result must fit into a frame", "[config]") {
  NodeConfig small = node();
  small.limits.max_frame_bytes = 1 << 20;
  const auto loaded = parse_functions({{one("x"), "f.yaml"}}, small);
  REQUIRE(loaded.diagnostics.size() == 1);
  CHECK(loaded.diagnostics[0].message ==
        "'result_max' (1MiB) does not fit into limits.max_frame (1MiB)");
}
