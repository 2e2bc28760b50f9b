// SPDX-License-Identifier: Apache-2.0
#include "sim/profile_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "config/fields.h"
#include "config/scalars.h"
#include "config/similar.h"

namespace tariff::sim {
namespace {

using config::Fields;
using config::Report;
using config::Value;
using Keys = std::vector<std::string_view>;

std::optional<double> number_of(const Value& value) {
  double out = 0;
  const char* end = value.text.data() + value.text.size();
  const auto [stopped, error] = std::from_chars(value.text.data(), end, out);
  if (value.kind != Value::Kind::Scalar || error != std::errc() || stopped != end ||
      !std::isfinite(out))
    return std::nullopt;
  return out;
}

/// Fields, and numbers with a point.
class Section {
 public:
  Section(const Value& value, std::string_view what, const Keys& keys, Report& report)
      : fields_(value, what, keys, report), report_(report) {}

  [[nodiscard]] std::optional<double> number(std::string_view key, double low, double high) {
    const Value* value = fields_.find(key);
    if (value == nullptr) return std::nullopt;
    const auto read = number_of(*value);
    if (read && *read >= low && *read <= high) return read;
    report_.error(value->position, "'" + std::string(key) + "' is not a number from " +
                                       text(low) + " to " + text(high));
    return std::nullopt;
  }
  template <typename T>
  void read(std::string_view key, double low, double high, T& out) {
    if (const auto value = number(key, low, high)) out = static_cast<T>(*value);
  }
  template <typename T>
  void read(std::string_view key, double low, double high, std::optional<T>& out) {
    const Value* value = fields_.find(key);
    if (value != nullptr && value->text == "none") out.reset();
    else if (const auto its = number(key, low, high)) out = static_cast<T>(*its);
  }
  void read_ticks(std::string_view key, double high, Nanos& out) {
    if (const auto value = number(key, 0, high))
      out = static_cast<Nanos>(std::llround(*value * static_cast<double>(kTick)));
  }
  /// "none" takes it away.
  template <typename T>
  void read_ticks(std::string_view key, double high, std::optional<T>& out) {
    const Value* value = fields_.find(key);
    if (value == nullptr) return;
    if (value->text == "none") return out.reset();
    Nanos ticks = 0;
    read_ticks(key, high, ticks);
    out = T(ticks);
  }
  template <typename T, std::size_t n>
  void read_word(std::string_view key, const std::array<std::pair<std::string_view, T>, n>& words,
                 T& out) {
    std::string text;
    if (!fields_.read_text(key, text)) return;
    std::string known;
    for (const auto& [word, value] : words) {
      if (word == text) {
        out = value;
        return;
      }
      known += (known.empty() ? "" : ", ") + std::string(word);
    }
    report_.error(fields_.at(key), "'" + std::string(key) + "' cannot be '" + text + "'",
                  "one of: " + known);
  }
  Fields& fields() { return fields_; }

 private:
  static std::string text(double number) {
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
    return {buffer.data(), end};
  }
  Fields fields_;
  Report& report_;
};

constexpr double kMuch = 1e9;
constexpr double kLong = 1e6;  ///< ticks; eleven days

void read_classes(const Value& list, std::vector<ClassMix>& out, Report& report) {
  out.clear();
  double price = 0;
  for (const auto& item : list.items) {
    ClassMix row;
    Section section(item, "a class", {"name", "price", "weight"}, report);
    section.fields().read_text("name", row.name);
    section.read("price", 0.000001, kMuch, row.price);
    section.read("weight", 0, kMuch, row.weight);
    if (row.price <= price)
      report.error(item.position, "classes are listed by price, the cheapest first");
    price = row.price;
    out.push_back(row);
  }
  if (out.empty() || out.size() > kMostClasses)
    report.error(list.position, "there are 1 to 16 classes");
}

void read_workload(const Value& value, RunSettings& settings, Report& report) {
  static const Keys kKeys = {"mean", "deviation", "least", "most", "shape", "classes",
                             "memory_least", "memory_most", "steps", "trace", "trace_format"};
  auto& out = settings.workload;
  Section section(value, "workload", kKeys, report);
  section.read("mean", 0, kLong, out.mean);
  section.read("deviation", 0, kLong, out.deviation);
  section.read("least", 1e-6, kLong, out.least);
  section.read("most", 1e-6, kLong, out.most);
  section.read("shape", 0.1, kLong, out.shape);
  section.read("memory_least", 0, 4e6, out.least_memory);
  section.read("memory_most", 0, 4e6, out.most_memory);
  section.fields().read_text("trace", out.trace);
  section.fields().read_text("trace_format", out.trace_format);
  if (out.least > out.most || out.least_memory > out.most_memory)
    report.error(value.position, "the least is more than the most");
  if (const Value* list = section.fields().list("classes"))
    read_classes(*list, out.classes, report);
  const Value* steps = section.fields().list("steps");
  if (steps == nullptr) return;
  out.steps.clear();
  for (const auto& item : steps->items) {
    LoadStep step;
    Section row(item, "a step", {"from", "load"}, report);
    row.read("from", 0, kLong, step.from);
    row.read("load", 0, kMuch, step.load);
    out.steps.push_back(step);
  }
}

void read_machines(const Value& value, RunSettings& out, Report& report) {
  Section section(value, "machines", {"count", "cores", "ram"}, report);
  section.read("count", 1, 10'000'000, out.machines);
  section.read("cores", 1, 4'096, out.cores);
  double ram = out.memory.ram / static_cast<double>(kMegabyte);
  section.read("ram", 1, 4'000'000, ram);
  out.memory.ram = static_cast<Kilobytes>(ram * kMegabyte);
}

void read_idle_list(const Value& value, PlacementSettings& out, Report& report) {
  static const Keys kKeys = {"use", "order", "lifetime", "least_free", "drop_at_jobs",
                             "expected_memory", "enter_below", "leave_above", "significant",
                             "most_jobs", "refresh", "entries_leave", "look", "k_shards"};
  Section section(value, "idle_list", kKeys, report);
  using Order = scheduler::IdleOrder;
  constexpr std::array<std::pair<std::string_view, Order>, 2> kOrders = {
      {{"smallest-queue", Order::SmallestQueue}, {"most-free", Order::MostFree}}};
  section.fields().read_boolean("use", out.shard.use_idle_list);
  section.read_word("order", kOrders, out.shard.idle.order);
  section.read_ticks("lifetime", kLong, out.shard.idle.lifetime);
  double megabytes = static_cast<double>(out.shard.idle.least_free) / 1e6;
  section.read("least_free", 0, 4e6, megabytes);
  out.shard.idle.least_free = static_cast<scheduler::Bytes>(megabytes * 1e6);
  section.read("drop_at_jobs", 1, kMuch, out.shard.idle.drop_at_jobs);
  megabytes = static_cast<double>(out.shard.expected_memory) / 1e6;
  section.read("expected_memory", 0, 4e6, megabytes);
  out.shard.expected_memory = static_cast<scheduler::Bytes>(megabytes * 1e6);
  section.read("enter_below", 0, 2, out.offer.enter_below);
  section.read("leave_above", 0, 2, out.offer.leave_above);
  section.read("significant", 0, 1, out.offer.significant);
  section.read("most_jobs", 0, kMuch, out.offer.most_jobs);
  section.read_ticks("refresh", kLong, out.offer.refresh);
  section.fields().read_boolean("entries_leave", out.entries_leave);
  section.read_ticks("look", kLong, out.look);
  if (out.look <= 0) report.error(section.fields().at("look"), "'look' must be above 0");
  section.read("k_shards", 1, 1'000, out.k_shards);
}

void read_placement(const Value& value, RunSettings& settings, Report& report) {
  static const Keys kKeys = {"shards", "k", "k_after_empty_list", "queue", "count", "service_time",
                             "retry_pause", "max_jobs_per_class", "max_wait", "overdue",
                             "communication", "idle_list"};
  auto& out = settings.placement;
  Section section(value, "placement", kKeys, report);
  using scheduler::CountRule;
  using scheduler::Overdue;
  using scheduler::QueueRule;
  constexpr std::array<std::pair<std::string_view, QueueRule>, 3> kQueues = {
      {{"product", QueueRule::Product},
       {"ratio", QueueRule::Ratio},
       {"strict", QueueRule::Strict}}};
  constexpr std::array<std::pair<std::string_view, CountRule>, 2> kCounts = {
      {{"all", CountRule::All}, {"at-least-my-class", CountRule::AtLeastMyClass}}};
  constexpr std::array<std::pair<std::string_view, Overdue>, 2> kOverdue = {
      {{"place", Overdue::Place}, {"reject", Overdue::Reject}}};
  section.read("shards", 1, 100'000, out.shards);
  section.read("k", 1, 10'000'000, out.shard.k);
  section.read("k_after_empty_list", 1, 10'000'000, out.shard.k_after_empty_list);
  section.read_word("queue", kQueues, out.shard.rule);
  section.read_word("count", kCounts, out.shard.count);
  Nanos service = out.shard.service_time.count();
  section.read_ticks("service_time", kLong, service);
  out.shard.service_time = scheduler::Duration(service);
  Nanos pause = out.shard.retry_pause.count();
  section.read_ticks("retry_pause", kLong, pause);
  out.shard.retry_pause = scheduler::Duration(std::max<Nanos>(pause, 1));
  section.read("max_jobs_per_class", 1, kMuch, out.shard.limits.max_jobs_per_class);
  section.read_ticks("max_wait", kLong, out.max_wait);
  section.read_word("overdue", kOverdue, out.overdue);
  section.read_ticks("communication", kLong, out.communication);
  if (const Value* list = section.fields().map("idle_list")) read_idle_list(*list, out, report);
}

void read_memory(const Value& value, RunSettings& settings, Report& report) {
  static const Keys kKeys = {"swapping", "growth", "start", "mode", "out_speed", "in_speed",
                             "swap_size", "hot", "step", "headroom", "tick_seconds"};
  Section section(value, "memory", kKeys, report);
  constexpr std::array<std::pair<std::string_view, Swapping>, 3> kSwapping = {
      {{"none", Swapping::None}, {"instant", Swapping::Instant}, {"policy", Swapping::Policy}}};
  constexpr std::array<std::pair<std::string_view, Growth>, 3> kGrowths = {
      {{"random", Growth::Random}, {"linear", Growth::Linear}, {"step", Growth::Step}}};
  constexpr std::array<std::pair<std::string_view, swap::Mode>, 3> kModes = {
      {{"swap", swap::Mode::Swap}, {"page", swap::Mode::Page}, {"both", swap::Mode::Both}}};
  auto& out = settings.policy_swap;
  section.read_word("swapping", kSwapping, settings.swapping);
  section.read_word("growth", kGrowths, settings.memory.growth);
  double start = settings.memory.start / static_cast<double>(kMegabyte);
  section.read("start", 0, 4e6, start);
  settings.memory.start = static_cast<Kilobytes>(start * kMegabyte);
  section.read_word("mode", kModes, out.mode);
  section.read("out_speed", 0, kMuch, out.out_speed);
  section.read("in_speed", 0, kMuch, out.in_speed);
  section.read("swap_size", 0, 1e12, out.swap_size);
  section.read("hot", 0, 1, out.hot);
  section.read("tick_seconds", 0.001, kLong, out.tick_seconds);
  section.read_ticks("step", 1, out.step);
  if (const auto fixed = section.number("headroom", 0, 4e6))
    out.headroom.fixed = static_cast<swap::Bytes>(*fixed * 1e6);
  if (out.step <= 0 || kTick % out.step != 0)
    report.error(section.fields().at("step"), "'step' does not divide a tick");
}

void read_jobs(const Value& value, RunSettings& out, Report& report) {
  Section section(value, "jobs", {"block_every", "block_time", "cold_share", "cold_time"}, report);
  section.read_ticks("block_every", kLong, out.blocking.every);
  section.read_ticks("block_time", kLong, out.blocking.time);
  section.read("cold_share", 0, 1, out.cold_share);
  section.read_ticks("cold_time", kLong, out.cold_time);
}

void read_failures(const Value& list, RunSettings& out, Report& report) {
  out.failures.clear();
  for (const auto& item : list.items) {
    Failure failure;
    Section section(item, "a failure", {"what", "share", "at", "time"}, report);
    constexpr std::array<std::pair<std::string_view, Failure::What>, 2> kWhat = {
        {{"agents", Failure::What::Agent}, {"shards", Failure::What::Shard}}};
    section.read_word("what", kWhat, failure.what);
    section.read("share", 0, 1, failure.share);
    section.read_ticks("at", kLong, failure.at);
    section.read_ticks("time", kLong, failure.time);
    out.failures.push_back(failure);
  }
}

}  // namespace

const std::vector<std::string_view> kSectionKeys = {
    "seed", "ticks", "warm_up", "workload", "machines", "placement", "memory", "jobs", "failures"};

void read_sections(const Value& map, RunSettings& out, Report& report) {
  for (const auto& [key, position, value] : map.entries) {
    Report& to = report;
    if (key == "workload") read_workload(value, out, to);
    else if (key == "machines") read_machines(value, out, to);
    else if (key == "placement") read_placement(value, out, to);
    else if (key == "memory") read_memory(value, out, to);
    else if (key == "jobs") read_jobs(value, out, to);
    else if (key == "failures") read_failures(value, out, to);
    else if (key == "seed" || key == "ticks" || key == "warm_up") {
      const auto number = number_of(value);
      if (!number || *number < (key == "ticks" ? 1 : 0) || *number > 1e9)
        to.error(value.position, "'" + key + "' is not a whole number up to a billion" +
                                     (key == "ticks" ? ", at least 1" : ""));
      else if (key == "seed") out.seed = static_cast<std::uint64_t>(*number);
      else if (key == "ticks") out.ticks = static_cast<std::int64_t>(*number);
      else out.warm_up = static_cast<std::int64_t>(*number);
    }
  }
}

std::vector<std::uint32_t> read_loads(const Value& value, Report& report) {
  std::vector<std::uint32_t> out;
  const auto add = [&](const Value& item) {
    const auto number = number_of(item);
    if (number && *number >= 1 && *number <= kMuch)
      out.push_back(static_cast<std::uint32_t>(*number));
    else
      report.error(item.position, "a load is a whole number of jobs a tick");
  };
  if (value.kind == Value::Kind::Map) {
    double from = 0;
    double to = 0;
    double step = 10;
    Section section(value, "loads", {"from", "to", "step"}, report);
    section.read("from", 1, kMuch, from);
    section.read("to", 1, kMuch, to);
    section.read("step", 1, kMuch, step);
    for (double load = from; load >= 1 && load <= to; load += step)
      out.push_back(static_cast<std::uint32_t>(load));
  } else if (value.kind == Value::Kind::List) {
    for (const auto& item : value.items) add(item);
  } else {
    add(value);
  }
  return out;
}

std::vector<System> read_systems(const Value& value, Report& report) {
  std::vector<System> out;
  std::vector<std::string_view> names;
  for (const auto system : kSystems) names.push_back(name_of(system));
  const auto add = [&](const Value& item) {
    for (const auto system : kSystems)
      if (name_of(system) == item.text) return out.push_back(system);
    report.error(item.position, "there is no system '" + item.text + "'",
                 config::suggestion(item.text, names));
  };
  if (value.kind == Value::Kind::List)
    for (const auto& item : value.items) add(item);
  else add(value);
  return out;
}

}  // namespace tariff::sim
