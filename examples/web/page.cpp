// SPDX-License-Identifier: Apache-2.0
// The functions `home` and `profile` of the example web shop: a page out of a template and data.
//
//   page NAME DIRECTORY        DIRECTORY has templates/NAME.html and shop.json
//
// Payload (JSON, may be empty):
//   user        who is signed in; a guest if missing or unknown
//   iterations  render the page so many times (default 1): a known amount of work
//   work_ms     render until so many milliseconds of CPU time are used: a known length of work
// Result: the page as HTML. A malformed payload is exit status 2.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include "examples/helpers/tariff.h"
#include "examples/web/template.h"

namespace {

using nlohmann::json;

constexpr int kBadPayload = 2;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

/// The shop's data with `user` in it.
json page_data(json shop, const json& request) {
  const std::string name = request.value("user", "");
  const json& users = shop["users"];
  json user = users.contains(name) ? users[name] : json{{"name", name.empty() ? "guest" : name}};
  user["id"] = name;
  user["known"] = users.contains(name);
  shop["user"] = std::move(user);
  return shop;
}

struct Work {
  long long iterations = 1;
  double milliseconds = 0;
};

struct Page {
  std::string html;
  long long renderings = 0;
};

/// At least one rendering, `iterations` of them, and until `milliseconds` of CPU time are used.
Page render_page(const std::string& page_template, const json& data, Work work) {
  Page page;
  const double start = cpu_ms();
  do {
    page.html = web::render(page_template, data);
    ++page.renderings;
  } while (page.renderings < work.iterations || cpu_ms() - start < work.milliseconds);
  return page;
}

int serve(const std::string& name, const std::string& directory) {
  const std::string page_template = read_file(directory + "/templates/" + name + ".html");
  const json shop = json::parse(read_file(directory + "/shop.json"));
  tariff_ready();

  const std::string payload(std::istreambuf_iterator<char>(std::cin), {});
  json request = json::object();
  Work work;
  try {
    if (!payload.empty()) request = json::parse(payload);
    work.iterations = request.value("iterations", work.iterations);
    work.milliseconds = request.value("work_ms", work.milliseconds);
    static_cast<void>(request.value("user", ""));
  } catch (const json::exception& error) {
    std::cerr << "the payload is not what this page takes: " << error.what() << "\n";
    return kBadPayload;
  }
  const Page page = render_page(page_template, page_data(shop, request), work);
  std::fprintf(stderr, "%s: %lld renderings, %.1f ms of CPU time\n", name.c_str(), page.renderings,
               cpu_ms());
  std::cout << page.html << std::flush;
  return std::cout ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: page NAME DIRECTORY\n";
    return kBadPayload;
  }
  try {
    return serve(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "page " << argv[1] << ": " << error.what() << "\n";
    return 1;
  }
}
