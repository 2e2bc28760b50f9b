// SPDX-License-Identifier: Apache-2.0
#include "sim/workload.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tariff::sim {
namespace {

constexpr std::uint64_t kWorkloadStream = 0x776F726B;  // apart from machines' and shards' streams

Nanos nanos(double ticks) { return static_cast<Nanos>(ticks * static_cast<double>(kTick)); }
Kilobytes kilobytes(double megabytes) {
  return static_cast<Kilobytes>(megabytes * kMegabyte);
}

class Generator : public Source {
 public:
  Generator(const WorkloadSettings& settings, std::uint32_t load, std::int64_t ticks,
            std::uint64_t seed)
      : settings_(settings), load_(load), ticks_(ticks),
        random_(seed, kWorkloadStream + load) {
    double sum = 0;
    for (const auto& row : settings.classes) sum += row.weight;
    double below = 0;
    for (const auto& row : settings.classes) cumulative_.push_back((below += row.weight) / sum);
  }

  std::span<const Arrival> next() override {
    std::uint32_t count = 0;
    while (tick_ < ticks_ && (count = load_at(tick_)) == 0) ++tick_;
    if (tick_ >= ticks_) return {};
    for (auto& list : by_rank_) list.clear();
    for (std::uint32_t i = 0; i < count; ++i) draw();
    batch_.clear();
    for (std::size_t rank = settings_.classes.size(); rank-- > 0;)
      batch_.insert(batch_.end(), by_rank_[rank].begin(), by_rank_[rank].end());
    ++tick_;
    return batch_;
  }

 private:
  [[nodiscard]] std::uint32_t load_at(std::int64_t tick) const {
    std::uint32_t load = load_;
    for (const auto& step : settings_.steps)
      if (tick >= step.from) load = step.load;
    return load;
  }

  /// Marsaglia's polar method: two at a time.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double u = 0;
    double v = 0;
    double square = 0;
    do {
      u = 2 * random_.unit() - 1;
      v = 2 * random_.unit() - 1;
      square = u * u + v * v;
    } while (square >= 1 || square == 0);
    const double scale = std::sqrt(-2 * std::log(square) / square);
    spare_ = v * scale;
    has_spare_ = true;
    return u * scale;
  }

  void draw() {
    const double drawn = settings_.mean + settings_.deviation * normal();
    const double least = std::clamp(drawn, settings_.least, settings_.most);
    const double runtime = least * std::exp(-std::log(1 - random_.unit()) / settings_.shape);
    const double pick = random_.unit();
    std::size_t rank = 0;
    while (rank + 1 < cumulative_.size() && pick >= cumulative_[rank]) ++rank;
    const double memory = settings_.least_memory +
                          (settings_.most_memory - settings_.least_memory) * random_.unit();
    by_rank_[rank].push_back({tick_ * kTick, std::max<Nanos>(1, nanos(runtime)), kilobytes(memory),
                              0, static_cast<std::uint8_t>(rank + 1)});
  }

  WorkloadSettings settings_;
  std::uint32_t load_;
  std::int64_t ticks_;
  Random random_;
  std::int64_t tick_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
  std::vector<double> cumulative_;
  std::array<std::vector<Arrival>, kMostClasses> by_rank_;
  std::vector<Arrival> batch_;
};

class Replay : public Source {
 public:
  Replay(const std::vector<Arrival>& arrivals, const std::vector<std::size_t>& begins)
      : arrivals_(arrivals), begins_(begins) {}
  std::span<const Arrival> next() override {
    if (at_ + 1 >= begins_.size()) return {};
    const std::size_t begin = begins_[at_++];
    return {arrivals_.data() + begin, begins_[at_] - begin};
  }

 private:
  const std::vector<Arrival>& arrivals_;
  const std::vector<std::size_t>& begins_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Source> generate(const WorkloadSettings& settings, std::uint32_t load,
                                 std::int64_t ticks, std::uint64_t seed) {
  return std::make_unique<Generator>(settings, load, ticks, seed);
}

Batches::Batches(Source& source) {
  for (auto batch = source.next(); !batch.empty(); batch = source.next()) {
    begins_.push_back(arrivals_.size());
    arrivals_.insert(arrivals_.end(), batch.begin(), batch.end());
  }
  begins_.push_back(arrivals_.size());
}

Batches::Batches(std::vector<Arrival> arrivals) : arrivals_(std::move(arrivals)) {
  std::stable_sort(arrivals_.begin(), arrivals_.end(), [](const auto& one, const auto& other) {
    return one.at != other.at ? one.at < other.at : one.rank > other.rank;
  });
  for (std::size_t i = 0; i < arrivals_.size(); ++i)
    if (i == 0 || arrivals_[i].at != arrivals_[i - 1].at) begins_.push_back(i);
  begins_.push_back(arrivals_.size());
}

std::unique_ptr<Source> Batches::source() const {
  return std::make_unique<Replay>(arrivals_, begins_);
}

}  // namespace tariff::sim
