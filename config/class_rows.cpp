// SPDX-License-Identifier: Apache-2.0
// The tariff itself: `classes` and `fifo` of tariffd.yaml.
#include <algorithm>
#include <array>
#include <string>

#include "config/classes.h"
#include "config/sections.h"

namespace tariff::config {
namespace {

using namespace std::string_view_literals;

constexpr std::array kClassKeys = {"name"sv,     "price"sv,    "fifo_priority"sv,
                                   "swap_max"sv, "pids_max"sv, "round_robin"sv};
constexpr std::array kFifoKeys = {"classes_low"sv, "classes_high"sv, "boost"sv,
                                  "workers"sv,     "launcher"sv,     "agent"sv};

constexpr std::size_t kMaxNameLength = 32;  // schema.h
constexpr int kThreadedIrqs = 50;           // the kernel's default for threaded interrupts
constexpr int kPsimon = 52;                 // where the agent raises the PSI threads to
constexpr std::int64_t kMaxPids = 4'194'304;            // PID_MAX_LIMIT of 64-bit kernels
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 50;

/// One class and where its fields were written.
struct Row {
  PriceClass value;
  Position name;
  Position price;
  Position priority;
};

std::string text_of(const PriceClass& row) {
  return "'" + row.name + "' (" + row.price.text() + ")";
}

Row read_row(const Value& value, Range<std::int64_t> band, Report& report) {
  Fields fields(value, "a class", kClassKeys, report);
  Row row;
  PriceClass& out = row.value;
  if (value.kind == Value::Kind::Map) {
    fields.require("name", "each class has a name and a price");
    fields.require("price", "in micro-cents per CPU-second, such as 1.5");
  } else if (value.kind == Value::Kind::Null) {
    report.error(value.position, "a class of this list is empty",
                 "write {name: bulk, price: 0.3}");
  }
  read_name(fields, "name", kMaxNameLength, out.name, report);
  if (fields.read_price("price", out.price) && out.price <= Price{0})
    report.error(fields.at("price"), "'price' must be above 0",
                 "the price is also the priority; give the lowest class a small one");
  fields.read_integer("fifo_priority", band, out.fifo_priority);
  fields.read_bytes("swap_max", {0, kMaxBytes}, out.swap_max_bytes);
  std::int64_t pids_max = 0;
  if (fields.read_integer("pids_max", {1, kMaxPids}, pids_max))
    out.pids_max = static_cast<std::uint64_t>(pids_max);
  if (fields.find("round_robin")) fields.read_boolean("round_robin", out.round_robin);
  row.name = fields.at("name");
  row.price = fields.at("price");
  row.priority = fields.at("fifo_priority");
  return row;
}

void check_unique(const std::vector<Row>& rows, Report& report) {
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    for (auto other = rows.begin(); other != row; ++other) {
      if (row->value.name == other->value.name) {
        report.error(row->name,
                     "class '" + row->value.name + "' is already defined in line " +
                         std::to_string(other->name.line),
                     "names of classes are unique");
        break;
      }
      if (row->value.price == other->value.price) {
        report.error(row->price,
                     "class '" + row->value.name + "' costs as much as '" + other->value.name +
                         "' in line " + std::to_string(other->price.line),
                     "the price is the order of the classes, so no two are equal");
        break;
      }
    }
  }
}

/// Requires: sorted by price.
void check_given_priorities(const std::vector<Row>& rows, Report& report) {
  const Row* below = nullptr;
  for (const auto& row : rows) {
    if (row.value.fifo_priority == 0) continue;
    if (below != nullptr) {
      const int apart = row.value.fifo_priority - below->value.fifo_priority;
      const std::string pair = text_of(row.value) + " has " +
                               std::to_string(row.value.fifo_priority) + ", " +
                               text_of(below->value) + " has " +
                               std::to_string(below->value.fifo_priority);
      if (apart <= 0)
        report.error(row.priority, "'fifo_priority' does not increase with the price: " + pair,
                     "the dearer class needs the higher priority; leave it out to have it chosen");
      else if (apart < kMinPriorityStep)
        report.error(row.priority, "priorities are too close: " + pair,
                     "classes are at least " + std::to_string(kMinPriorityStep) + " apart");
    }
    below = &row;
  }
}

}  // namespace

std::vector<PriceClass> read_classes(const Value* rows, const FifoBands* bands, Report& report) {
  const std::size_t errors_before = report.errors();
  const auto failed = [&] { return report.errors() > errors_before; };
  Range<std::int64_t> band{1, kThreadedIrqs - 1};
  if (bands != nullptr) band = {bands->classes_low, bands->classes_high};
  std::vector<Row> read;
  if (rows == nullptr) {
    for (auto& row : default_classes()) read.push_back({std::move(row), {}, {}, {}});
  } else if (rows->items.empty()) {
    report.error(rows->position, "there must be at least one class",
                 "remove 'classes' to have the default ones");
  } else {
    for (const auto& item : rows->items) read.push_back(read_row(item, band, report));
  }
  if (!failed()) check_unique(read, report);
  if (failed()) return {};
  std::stable_sort(read.begin(), read.end(), [](const Row& a, const Row& b) {
    return a.value.price < b.value.price;
  });
  check_given_priorities(read, report);
  if (failed()) return {};

  std::vector<PriceClass> out;
  for (auto& row : read) out.push_back(std::move(row.value));
  rank_by_price(out);
  if (bands == nullptr) return out;
  if (auto status = spread_priorities(out, *bands); !status) {
    report.error(rows == nullptr ? Position{} : rows->position, status.error().message,
                 status.error().hint);
    return {};
  }
  return out;
}

FifoBands read_fifo(const Value& section, Report& report) {
  Fields fields(section, "fifo", kFifoKeys, report);
  FifoBands out;
  bool good = true;
  const std::pair<std::string_view, int*> bounds[] = {
      {"classes_low", &out.classes_low}, {"classes_high", &out.classes_high}};
  const std::pair<std::string_view, int*> above[] = {{"boost", &out.boost},
                                                     {"workers", &out.workers},
                                                     {"launcher", &out.launcher},
                                                     {"agent", &out.agent}};
  // SCHED_FIFO has 1..99. 99 is left to the kernel's own (migration, stop, watchdog).
  for (const auto& [key, field] : bounds)
    if (fields.find(key)) good &= fields.read_integer(key, {1, kThreadedIrqs - 1}, *field);
  for (const auto& [key, field] : above)
    if (fields.find(key)) good &= fields.read_integer(key, {kPsimon + 1, 98}, *field);
  if (!good) return out;

  if (out.classes_low > out.classes_high)
    report.error(fields.at("classes_low"),
                 "'classes_low' (" + std::to_string(out.classes_low) +
                     ") is above 'classes_high' (" + std::to_string(out.classes_high) + ")");
  for (std::size_t i = 1; i < std::size(above); ++i) {
    const auto& [lower_key, lower] = above[i - 1];
    const auto& [key, priority] = above[i];
    if (*lower < *priority) continue;
    // Point at the one that was written; both may be.
    const auto written = fields.find(key) != nullptr ? key : lower_key;
    report.error(fields.at(written),
                 "'" + std::string(key) + "' (" + std::to_string(*priority) + ") must be above '" +
                     std::string(lower_key) + "' (" + std::to_string(*lower) + ")",
                 "the order is boost < workers < launcher < agent");
  }
  return out;
}

}  // namespace tariff::config
