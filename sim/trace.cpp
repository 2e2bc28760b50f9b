// SPDX-License-Identifier: Apache-2.0
// Traces as text: our own CSV, and the public Azure Functions trace of 2021.
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "sim/workload.h"

namespace tariff::sim {
namespace {

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    const auto comma = line.find(',');
    out.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}

std::optional<double> number_of(std::string_view text) {
  double out = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || stopped != text.data() + text.size() || !std::isfinite(out))
    return std::nullopt;
  return out;
}

Nanos nanos(double ticks) { return static_cast<Nanos>(ticks * static_cast<double>(kTick)); }

constexpr double kLongest = 1e8;     ///< ticks; three years
constexpr double kMostMemory = 4e6;  ///< MB

/// Reads one kind of line.
class Reader {
 public:
  Reader(const WorkloadSettings& settings, std::uint64_t seed)
      : settings_(settings), random_(seed, 0x7472616365) {}

  /// time,function,class,runtime,memory
  std::string read_own(const std::vector<std::string_view>& fields, Arrival& out) {
    if (fields.size() != 5) return "there are 5 fields: time,function,class,runtime,memory";
    const auto time = number_of(fields[0]);
    const auto runtime = number_of(fields[3]);
    const auto memory = number_of(fields[4]);
    if (!time || *time < 0 || *time > kLongest) return "the time is no number of ticks";
    if (!runtime || *runtime <= 0 || *runtime > kLongest) return "the runtime is no number above 0";
    if (!memory || *memory < 0 || *memory > kMostMemory) return "the memory is no number of MB";
    const int rank = rank_of(fields[2]);
    if (rank == 0) return "there is no class '" + std::string(fields[2]) + "'";
    out = {nanos(*time), std::max<Nanos>(1, nanos(*runtime)),
           static_cast<Kilobytes>(*memory * kMegabyte), function_of(fields[1]),
           static_cast<std::uint8_t>(rank)};
    return {};
  }

  /// app,func,end_timestamp,duration: no class, no memory.
  std::string read_azure(const std::vector<std::string_view>& fields, Arrival& out) {
    if (fields.size() != 4) return "there are 4 fields: app,func,end_timestamp,duration";
    const auto end = number_of(fields[2]);
    const auto duration = number_of(fields[3]);
    if (!end || !duration || *duration < 0 || *end < 0 || *end > kLongest || *duration > kLongest)
      return "end_timestamp and duration are numbers of seconds";
    const auto name = std::string(fields[0]) + "/" + std::string(fields[1]);
    auto [known, added] = classes_.try_emplace(name, 0);
    if (added) known->second = draw_rank();
    const double memory = settings_.least_memory +
                          (settings_.most_memory - settings_.least_memory) * random_.unit();
    // The trace has jobs of less than a millisecond as 0.
    const double runtime = std::max(*duration, 0.001);
    out = {nanos(std::max(0.0, *end - *duration)), nanos(runtime),
           static_cast<Kilobytes>(memory * kMegabyte), function_of(name),
           static_cast<std::uint8_t>(known->second)};
    return {};
  }

 private:
  [[nodiscard]] int rank_of(std::string_view name) const {
    for (std::size_t i = 0; i < settings_.classes.size(); ++i)
      if (settings_.classes[i].name == name) return static_cast<int>(i) + 1;
    return 0;
  }
  std::uint16_t function_of(std::string_view name) {
    const auto next = static_cast<std::uint16_t>(functions_.size());
    return functions_.try_emplace(std::string(name), next).first->second;
  }
  int draw_rank() {
    double sum = 0;
    for (const auto& row : settings_.classes) sum += row.weight;
    double pick = random_.unit() * sum;
    int rank = 1;
    for (const auto& row : settings_.classes) {
      if (pick < row.weight) return rank;
      pick -= row.weight;
      ++rank;
    }
    return rank - 1;
  }

  const WorkloadSettings& settings_;
  Random random_;
  std::map<std::string, std::uint16_t> functions_;
  std::map<std::string, int> classes_;
};

}  // namespace

Result<std::vector<Arrival>> read_trace(const std::string& text, const WorkloadSettings& settings,
                                        std::uint64_t seed) {
  const bool azure = settings.trace_format == "azure";
  if (!azure && settings.trace_format != "csv")
    return Error{ErrorKind::InvalidArgument,
                 "there is no trace format '" + settings.trace_format + "'", "csv or azure"};
  Reader reader(settings, seed);
  std::istringstream lines(text);
  std::string line;
  std::vector<Arrival> out;
  for (int at = 1; std::getline(lines, line); ++at) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || at == 1) continue;  // the first line has the names
    Arrival arrival;
    const auto fields = split(line);
    const auto wrong =
        azure ? reader.read_azure(fields, arrival) : reader.read_own(fields, arrival);
    if (!wrong.empty())
      return Error{ErrorKind::InvalidArgument, "line " + std::to_string(at) + ": " + wrong, {}};
    out.push_back(arrival);
  }
  if (out.empty()) return Error{ErrorKind::InvalidArgument, "it has no jobs", {}};
  return out;
}

}  // namespace tariff::sim
