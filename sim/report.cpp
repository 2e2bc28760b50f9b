// SPDX-License-Identifier: Apache-2.0
#include "sim/report.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "sim/output.h"
#include "sim/plot.h"

namespace tariff::sim {
namespace {

constexpr const char* kStyle =
    "body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}"
    "svg{max-width:100%;height:auto}pre{overflow-x:auto;background:#f6f6f6;padding:1em;"
    "font-size:13px}figure{margin:2em 0}figcaption{color:#555}";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else out += c;
  }
  return out;
}

/// The SVG that gnuplot makes of a script, without the XML declaration.
Result<std::string> draw(const std::string& directory, const Plot& plot) {
  const std::string path = directory + "/" + plot.name + ".svg";
  std::FILE* pipe = ::popen("gnuplot", "we");
  if (pipe == nullptr) return errno_error("cannot start gnuplot", errno);
  std::fprintf(pipe, "set output '%s'\n%s", path.c_str(), plot.script.c_str());
  const int status = ::pclose(pipe);
  if (status != 0)
    return Error{ErrorKind::Unavailable, "gnuplot did not draw '" + plot.title + "'",
                 "is package gnuplot-nox installed? The CSV files are written; --no-report leaves "
                 "the report out"};
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string svg = text.str();
  const auto begin = svg.find("<svg");
  if (begin == std::string::npos)
    return Error{ErrorKind::Internal, "gnuplot wrote no SVG for '" + plot.title + "'", {}};
  return svg.substr(begin);
}

std::string intro(const Profile& profile, const Experiment& experiment,
                  const std::vector<RunSummary>& runs) {
  const auto& its = experiment.settings;
  std::uint64_t seeds = 0;
  for (const auto& run : runs) seeds = std::max(seeds, run.seed - its.seed + 1);
  std::ostringstream out;
  out << "<p>Profile <b>" << escaped(profile.name) << "</b>: " << escaped(profile.description)
      << ". " << its.machines << " machines of " << its.cores << " cores";
  if (its.swapping != Swapping::None) out << " and " << its.memory.ram / kMegabyte << " MB";
  out << ", " << its.ticks << " ticks, " << its.placement.shards << " shards, k = "
      << its.placement.shard.k << ", " << seeds << (seeds == 1 ? " seed" : " seeds") << " from "
      << its.seed << ". Results <code>" << std::hex << digest_of(runs) << "</code>.</p>\n";
  return out.str();
}

}  // namespace

Status write_report(const std::string& directory, const Profile& profile,
                    const Experiment& experiment, const std::vector<RunSummary>& runs) {
  const std::string title = "Tariff: " + experiment.name + ", profile " + profile.name;
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                     escaped(title) + "</title><style>" + kStyle + "</style></head><body>\n<h1>" +
                     escaped(title) + "</h1>\n" + intro(profile, experiment, runs);
  for (const auto& plot : plots_of(experiment, runs)) {
    auto svg = draw(directory, plot);
    if (!svg) return std::move(svg).error();
    html += "<figure><h2>" + escaped(plot.title) + "</h2>\n" + *svg + "<figcaption>" +
            escaped(plot.note) + "</figcaption></figure>\n";
  }
  html += "<h2>p99 slowdown</h2><pre>" + escaped(table(experiment, runs)) +
          "</pre>\n</body></html>\n";
  return write_file(directory + "/report.html", html);
}

}  // namespace tariff::sim
