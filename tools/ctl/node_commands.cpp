// SPDX-License-Identifier: Apache-2.0
// Commands about the machine: status, poll, functions, drain, version.
#include <chrono>
#include <thread>

#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/node_view.h"

namespace tariff::ctl {
namespace {

using namespace std::chrono_literals;

constexpr auto kDrainPoll = 200ms;

/// Polls until no job is left; the agent may be restarted meanwhile (an upgrade drains first).
Result<v1::PollReply> wait_until_empty(AgentClient& agent, const Globals& globals) {
  int last = -1;
  while (true) {
    auto poll = agent.call_patiently<v1::PollReply>("Poll", v1::PollRequest());
    if (!poll || jobs_on(*poll) == 0) return poll;
    if (!globals.json && jobs_on(*poll) != last) say(std::to_string(jobs_on(*poll)) + " jobs left");
    last = jobs_on(*poll);
    std::this_thread::sleep_for(kDrainPoll);
  }
}

}  // namespace

int status_command(const Globals& globals) {
  AgentClient agent(globals.endpoint, globals.timeout);
  auto status = agent.call<v1::StatusReply>("Status", v1::StatusRequest());
  if (!status) return fail(globals, status.error());
  print(globals, to_json(*status), status_text(*status));
  return 0;
}

int poll_command(const Globals& globals) {
  AgentClient agent(globals.endpoint, globals.timeout);
  auto poll = agent.call<v1::PollReply>("Poll", v1::PollRequest());
  if (!poll) return fail(globals, poll.error());
  print(globals, to_json(*poll), poll_text(*poll));
  return 0;
}

int functions_command(const Globals& globals) {
  AgentClient agent(globals.endpoint, globals.timeout);
  auto functions = agent.call<v1::FunctionsReply>("Functions", v1::FunctionsRequest());
  if (!functions) return fail(globals, functions.error());
  print(globals, to_json(*functions), functions_text(*functions));
  return 0;
}

int drain_command(const Globals& globals, const DrainOptions& options) {
  AgentClient agent(globals.endpoint, globals.timeout);
  v1::DrainRequest request;
  request.set_undrain(options.undo);
  auto drained = agent.call_patiently<v1::DrainReply>("Drain", request);
  if (!drained) return fail(globals, drained.error());
  if (options.wait && !options.undo) {
    auto empty = wait_until_empty(agent, globals);
    if (!empty) return fail(globals, empty.error());
    drained->set_jobs_left(jobs_on(*empty));
  }
  print(globals, to_json(*drained),
        options.undo ? "placements are accepted again\n"
                     : "draining: placements are refused, " +
                           std::to_string(drained->jobs_left()) + " jobs left\n");
  return 0;
}

int version_command(const Globals& globals) {
  AgentClient agent(globals.endpoint, std::min<std::chrono::milliseconds>(globals.timeout, 2s));
  const auto status = agent.call<v1::StatusReply>("Status", v1::StatusRequest());
  Json json{{"tariffctl", TARIFF_VERSION}, {"tariffd", nullptr}, {"tariff-launcher", nullptr}};
  std::string text = "tariffctl " TARIFF_VERSION "\n";
  if (status) {
    json["tariffd"] = status->version();
    json["tariff-launcher"] = status->launcher_version();
    text += "tariffd " + status->version() + "\n";
    text += "tariff-launcher " +
            (status->launcher_connected() ? status->launcher_version() : "not connected") + "\n";
  } else {
    text += "tariffd not reached: " + status.error().text() + "\n";
  }
  print(globals, json, text);
  return 0;
}

}  // namespace tariff::ctl
