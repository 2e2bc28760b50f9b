// SPDX-License-Identifier: Apache-2.0
#include "agent/host_changes.h"

#include <algorithm>

namespace tariff::agent {

namespace {

/// The kernel takes and shows masks there, lists everywhere else.
bool is_mask(const Knob& knob) {
  return knob.what == "workqueue" || (knob.what == "irq" && knob.target == "default");
}

}  // namespace

std::string value_for(const Knob& knob, const cgroup::CpuSet& cpus) {
  return is_mask(knob) ? cgroup::cpu_mask(cpus) : cgroup::cpu_list(cpus);
}

bool same_value(const Knob& knob, const std::string& a, const std::string& b) {
  const auto parse = [&](const std::string& text) {
    return is_mask(knob) ? cgroup::parse_cpu_mask(text) : cgroup::parse_cpu_list(text);
  };
  const auto left = parse(a);
  const auto right = parse(b);
  return left && right ? *left == *right : a == b;
}

const HostChange* find_change(const std::vector<HostChange>& changes, const Knob& knob) {
  const auto found = std::find_if(changes.begin(), changes.end(),
                                  [&](const HostChange& change) { return change.knob == knob; });
  return found == changes.end() ? nullptr : &*found;
}

void drop_change(std::vector<HostChange>& changes, const Knob& knob) {
  std::erase_if(changes, [&](const HostChange& change) { return change.knob == knob; });
}

std::vector<HostChange> with_wishes(const std::vector<HostChange>& earlier,
                                    const std::vector<Wish>& wishes) {
  std::vector<HostChange> out = earlier;
  for (const auto& wish : wishes) {
    const auto found = std::find_if(out.begin(), out.end(), [&](const HostChange& change) {
      return change.knob == wish.knob;
    });
    if (found != out.end()) found->now = wish.wanted;
    else if (!same_value(wish.knob, wish.current, wish.wanted))
      out.push_back({wish.knob, wish.current, wish.wanted});
  }
  return out;
}

std::vector<HostChange> unwished(const std::vector<HostChange>& earlier,
                                 const std::vector<Wish>& wishes) {
  std::vector<HostChange> out;
  for (const auto& change : earlier)
    if (std::none_of(wishes.begin(), wishes.end(),
                     [&](const Wish& wish) { return wish.knob == change.knob; }))
      out.push_back(change);
  return out;
}

}  // namespace tariff::agent
