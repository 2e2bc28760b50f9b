// SPDX-License-Identifier: Apache-2.0
// Both phases of a word count by map and reduce; count-words is the driver that places them.
//
//   wordcount map       payload: text                    result: {"word": count, ...}
//   wordcount reduce    payload: such objects, one a line  result: their sum, in the same form
//
// A word is a run of the letters A-Z and a-z, in lower case. Exit status 2: a malformed payload.
#include <cstdint>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "examples/helpers/tariff.h"

namespace {

using Counts = std::map<std::string, std::uint64_t>;

constexpr int kBadPayload = 2;

Counts map_phase(const std::string& text) {
  Counts counts;
  std::string word;
  const auto finish_word = [&] {
    if (!word.empty()) ++counts[word];
    word.clear();
  };
  for (const char c : text) {
    if (c >= 'a' && c <= 'z') word += c;
    else if (c >= 'A' && c <= 'Z') word += static_cast<char>(c - 'A' + 'a');
    else finish_word();
  }
  finish_word();
  return counts;
}

Counts reduce_phase(const std::string& lines) {
  Counts sum;
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);)
    if (!line.empty())
      for (const auto& [word, count] : nlohmann::json::parse(line).get<Counts>())
        sum[word] += count;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string phase = argc == 2 ? argv[1] : "";
  if (phase != "map" && phase != "reduce") {
    std::cerr << "usage: wordcount map|reduce\n";
    return kBadPayload;
  }
  tariff_ready();
  const std::string payload(std::istreambuf_iterator<char>(std::cin), {});
  try {
    const Counts counts = phase == "map" ? map_phase(payload) : reduce_phase(payload);
    std::cout << nlohmann::json(counts).dump() << "\n" << std::flush;
    std::cerr << phase << ": " << payload.size() << " bytes, " << counts.size() << " words\n";
  } catch (const nlohmann::json::exception& error) {
    std::cerr << "a line of the payload is not an object of counts: " << error.what() << "\n";
    return kBadPayload;
  }
  return std::cout ? 0 : 1;
}
