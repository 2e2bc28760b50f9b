// SPDX-License-Identifier: Apache-2.0
// The HTTP of the metrics page: GET /metrics, one answer per connection. A page that is younger
// than 200 ms is served again; else one is asked for with `want` and comes with put().
// Bounds: see metrics_server.h. Threading: the io_context's one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"

namespace tariff::agent {

class MetricsHttp {
 public:
  MetricsHttp(boost::asio::io_context& io, Fd listener, std::function<void()> want);
  ~MetricsHttp();

  void start();
  void put(std::string page);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tariff::agent
