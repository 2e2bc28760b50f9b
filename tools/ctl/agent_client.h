// SPDX-License-Identifier: Apache-2.0
// The agent as tariffctl's commands see it: one call after the other, each answered or failed.
// It connects when first needed and again after the connection was lost, so that a command reads
// as if the agent had never been away. All of Asio is behind this header.
//
//   AgentClient agent("/run/tariff/agent.sock", 30s);
//   auto status = agent.call<v1::StatusReply>("Status", v1::StatusRequest());
//
// Threading: one thread. Errors: of the connect, explained (failure.h), or the agent's own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/ctl/endpoint.h"

namespace tariff::ctl {

class AgentClient {
 public:
  using Milliseconds = std::chrono::milliseconds;

  /// `timeout`: for a connect, for an answer, and for how long call_patiently() waits for an agent
  /// that is away.
  AgentClient(Endpoint endpoint, Milliseconds timeout);
  ~AgentClient();
  AgentClient(const AgentClient&) = delete;
  AgentClient& operator=(const AgentClient&) = delete;

  /// One call. `extra` is added to the time that the answer may take (Wait blocks on purpose).
  template <typename Reply, typename Request>
  Result<Reply> call(const std::string& method, const Request& request, Milliseconds extra = {}) {
    return parsed<Reply>(method, call_raw(method, request.SerializeAsString(), extra));
  }

  /// The same, but an agent that is away is waited for: tried again with back-off until `timeout`
  /// has passed without contact (2 s if there never was any). Only for calls that may be repeated.
  template <typename Reply, typename Request>
  Result<Reply> call_patiently(const std::string& method, const Request& request,
                               Milliseconds extra = {}) {
    const std::string payload = request.SerializeAsString();
    return parsed<Reply>(method,
                         patiently([&] { return call_raw(method, payload, extra); }));
  }

  /// A stream; `on_message` returns false to stop. Success: the agent closed it or it was stopped.
  Status stream(const std::string& method, const std::string& payload,
                std::function<bool(std::string_view)> on_message);

  /// Connects if needed, waiting for an agent that is away as call_patiently() does.
  Status reconnect_patiently();

 private:
  Result<std::string> call_raw(const std::string& method, const std::string& payload,
                               Milliseconds extra);
  Result<std::string> patiently(const std::function<Result<std::string>()>& attempt);
  Status connect();
  void drop();

  template <typename Reply>
  static Result<Reply> parsed(const std::string& method, Result<std::string> payload) {
    if (!payload) return std::move(payload).error();
    Reply reply;
    if (!reply.ParseFromString(*payload))
      return Error{ErrorKind::Internal, "the agent's reply to " + method + " is malformed", {}};
    return reply;
  }

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tariff::ctl
