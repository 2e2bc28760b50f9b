// SPDX-License-Identifier: Apache-2.0
// One kept connection to systemd: made when first needed, made again after it broke. Blocks: for
// the agent's worker thread only.
#pragma once

#include <optional>
#include <utility>

#include "systemd/units.h"

namespace tariff::agent {

class SystemdLink {
 public:
  explicit SystemdLink(systemd::Units::Options options = {}) : options_(std::move(options)) {}

  /// ask(units), and once more on a fresh connection if the kept one was gone. `ask` returns a
  /// Result or a Status.
  template <typename Ask>
  auto call(Ask ask) -> decltype(ask(std::declval<systemd::Units&>())) {
    for (bool kept = units_.has_value();; kept = false) {
      if (!units_) {
        auto connected = systemd::Units::connect(options_);
        if (!connected) return std::move(connected).error();
        units_ = std::move(*connected);
      }
      auto answer = ask(*units_);
      if (answer || answer.error().kind != ErrorKind::Unavailable) return answer;
      units_.reset();
      if (!kept) return answer;
    }
  }

 private:
  systemd::Units::Options options_;
  std::optional<systemd::Units> units_;
};

}  // namespace tariff::agent
