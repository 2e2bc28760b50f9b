// SPDX-License-Identifier: Apache-2.0
// Texts that nobody writes in good faith: whatever the text, there is an answer, in bounded time
// and memory, and never both a value and an error.
#include <random>

#include "config/load.h"
#include "config/text_checks.h"
#include "support/catch.h"

using namespace tariff::config;

namespace {

constexpr std::string_view kGood = R"(# a comment
classes:
  - {name: bulk, price: 0.3, swap_max: 2GiB}
  - name: gold
    price: "1.5"
    fifo_priority: 20
memory_price: 0
cpu_enforcement: fifo
fifo: {classes_low: 10, classes_high: 39}
sockets:
  agent: '/run/tariff/agent.sock'
limits:
  max_jobs: 100   # trailing
  kill_grace: 2s
uids: {first: 2000000, count: 65536}
)";

constexpr std::string_view kGoodFunctions = R"(functions:
  - name: home
    argv: [/usr/bin/python3, "-c", |
      print("x")
    , 5]
    class: bulk
    env: {A: "b\n", C: 'd''e'}
    timeout: 2s
)";

/// Parses as both kinds of file; true if the answers are consistent.
bool answers(const std::string& text) {
  static const NodeConfig kNode = *parse_node_config("#", "").value;
  const auto node = parse_node_config(text, "t.yaml");
  const auto functions = parse_functions({{text, "f.yaml"}}, kNode);
  const auto lines = render(node.diagnostics).size() + render(functions.diagnostics).size();
  return node.value.has_value() != has_errors(node.diagnostics) &&
         functions.value.has_value() != has_errors(functions.diagnostics) && lines < 1'000'000;
}

std::string repeated(std::string_view piece, std::size_t bytes) {
  std::string out;
  while (out.size() + piece.size() <= bytes) out += piece;
  return out;
}

}  // namespace

TEST_CASE("random changes to a good file give an answer", "[config]") {
  constexpr std::string_view kPieces[] = {"{", "}", "[", "]", ":", "- ", "\n", "  ", "\t", "#",
                                          "\"", "'", "|", ">", "&a ", "*a", "!x ", "? ", "---\n",
                                          "\xff", "\xef\xbb\xbf", "%", "@", ",", "~", "null", "\r",
                                          "99999999999999999999", "<<: ", "\xc3\xa4", "...\n"};
  constexpr unsigned kSeed = 20261123;  // any; fixed, so that a failure is reproducible
  std::mt19937 random(kSeed);
  const auto below = [&random](std::size_t bound) { return random() % bound; };
  for (int round = 0; round < 6'000; ++round) {
    std::string text(round % 2 == 0 ? kGood : kGoodFunctions);
    for (std::size_t change = 1 + below(4); change > 0; --change) {
      const auto at = below(text.size() + 1);
      const auto count = std::min<std::size_t>(below(12), text.size() - at);
      switch (below(4)) {
        case 0: text.insert(at, kPieces[below(std::size(kPieces))]); break;
        case 1: text.erase(at, count); break;
        case 2: text.insert(below(text.size() + 1), text.substr(at, count)); break;
        default:
          if (at < text.size()) text[at] = static_cast<char>(below(256));
      }
    }
    INFO("round " << round << ":\n" << text);
    REQUIRE(answers(text));
  }
}

TEST_CASE("every beginning of a good file gives an answer", "[config]") {
  for (const auto text : {kGood, kGoodFunctions})
    for (std::size_t length = 0; length <= text.size(); ++length)
      REQUIRE(answers(std::string(text.substr(0, length))));
}

TEST_CASE("a file that is too large is not parsed", "[config]") {
  const auto loaded = parse_node_config(repeated("# x\n", 1 << 20), "t.yaml");
  CHECK(loaded.value);  // just below
  const auto larger = parse_node_config(std::string((1 << 20) + 1, '#'), "t.yaml");
  CHECK(render(larger.diagnostics) ==
        "t.yaml: error: larger than 1 MiB\n"
        "  hint: split it, or is it another kind of file?\n\n1 error\n");
}

TEST_CASE("nesting is bounded", "[config]") {
  for (const char* piece : {"[", "{", "{a: ", "- ", "a: [", "? ", "[{", "[a, "}) {
    INFO(piece);
    CHECK(answers(repeated(piece, 20'000)));
  }
  std::string lines;
  for (std::size_t depth = 0; depth < 300; ++depth) lines += std::string(depth, ' ') + "a:\n";
  CHECK(answers(lines));
  const std::string brackets = std::string(40, '[') + std::string(40, ']');
  const auto deep = parse_node_config("limits: " + brackets, "t");
  REQUIRE_FALSE(deep.diagnostics.empty());
  CHECK(deep.diagnostics[0].message == "nested more than 16 levels deep");
}

TEST_CASE("aliases cannot blow a file up", "[config]") {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 8; ++i) bomb += std::string("*") + static_cast<char>(c - 1) + ", ";
    bomb += "]\n";
  }
  const auto loaded = parse_node_config(bomb, "t.yaml");
  REQUIRE(loaded.diagnostics.size() == 1);
  CHECK(loaded.diagnostics[0].message == "anchors are not supported");
}

TEST_CASE("many keys, items and errors are bounded", "[config]") {
  std::string keys;
  for (int i = 0; i < 2'000; ++i) keys += "key" + std::to_string(i) + ": 1\n";
  CHECK(answers(keys));
  CHECK(answers("classes: [" + repeated("x, ", 300'000) + "]\n"));
  CHECK(answers("functions:\n" + repeated("- {name: a}\n", 100'000)));
  CHECK(answers("a: \"" + repeated("\\n", 500'000) + "\"\n"));
  CHECK(answers(repeated("a", 1'000'000)));
  CHECK(answers(repeated("a: b\n", 20'000)));
}

TEST_CASE("quotes are measured as they are written", "[config]") {
  CHECK(scalar_length("abc: d", "abc") == 3);
  CHECK(scalar_length("\"a\\\"b\" x", "a\"b") == 6);
  CHECK(scalar_length("'a''b' x", "a'b") == 6);
  CHECK(scalar_length("\"a\nb\"", "a b") == 2);
  CHECK(scalar_length("| text", "other") == 1);
  CHECK_FALSE(scalar_length("\"abc", "abc"));
  CHECK_FALSE(scalar_length("\"abc\\\"", "abc\""));
  CHECK_FALSE(scalar_length("'abc''", "abc'"));
}
