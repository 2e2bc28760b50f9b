// SPDX-License-Identifier: Apache-2.0
// Where the agent is, and who we are there. Threading: plain values.
#pragma once

#include <string>
#include <utility>

namespace tariff::ctl {

struct Endpoint {
  Endpoint() = default;
  Endpoint(std::string where) : address(std::move(where)) {}  // NOLINT implicit

  std::string address = "/run/tariff/agent.sock";  ///< a path, ADDRESS:PORT or tls://HOST:PORT
  // PEM files, for tls:// only.
  std::string certificate;
  std::string key;
  std::string ca;
};

}  // namespace tariff::ctl
