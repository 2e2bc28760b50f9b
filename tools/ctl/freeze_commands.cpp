// SPDX-License-Identifier: Apache-2.0
// Commands that stop jobs where they are and let them go on: freeze, thaw.
#include <algorithm>
#include <chrono>
#include <functional>

#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

/// What became of one job: for people, and for programs.
struct Outcome {
  std::string text;
  Json json;
};

/// Each id in turn; one that fails does not keep the others from being tried.
int for_each_id(const Globals& globals, const std::vector<std::string>& ids, const char* list_name,
                const std::function<Result<Outcome>(const std::string&)>& act) {
  Json list = Json::array();
  std::string text;
  int exit = 0;
  for (const std::string& id : ids) {
    auto outcome = act(id);
    if (outcome) {
      text += outcome->text;
      list.push_back(std::move(outcome->json));
      continue;
    }
    const int code = static_cast<int>(exit_of(outcome.error().kind));
    exit = std::max(exit, code);
    if (!globals.json) say(outcome.error().text());
    list.push_back({{"id", id}, {"error", outcome.error().message}, {"exit", code}});
    if (code == static_cast<int>(Exit::Unreachable)) break;
  }
  print(globals, Json{{list_name, std::move(list)}}, text);
  return exit;
}

}  // namespace

int freeze_command(const Globals& globals, const std::vector<std::string>& ids) {
  AgentClient agent(globals.endpoint, globals.timeout);
  return for_each_id(globals, ids, "frozen", [&](const std::string& id) -> Result<Outcome> {
    v1::FreezeRequest request;
    request.set_id(id);
    auto reply = agent.call_patiently<v1::FreezeReply>("Freeze", request);
    if (!reply) return std::move(reply).error();
    Json json = to_json(*reply);
    json["id"] = id;
    if (reply->already_frozen()) return Outcome{id + " was frozen already\n", std::move(json)};
    return Outcome{id + " is frozen, after " +
                       duration_text(std::chrono::nanoseconds(reply->took_ns())) + "\n",
                   std::move(json)};
  });
}

int thaw_command(const Globals& globals, const std::vector<std::string>& ids) {
  AgentClient agent(globals.endpoint, globals.timeout);
  return for_each_id(globals, ids, "thawed", [&](const std::string& id) -> Result<Outcome> {
    v1::ThawRequest request;
    request.set_id(id);
    auto reply = agent.call_patiently<v1::ThawReply>("Thaw", request);
    if (!reply) return std::move(reply).error();
    Json json = to_json(*reply);
    json["id"] = id;
    return Outcome{id + (reply->was_frozen() ? " goes on\n" : " was not frozen\n"),
                   std::move(json)};
  });
}

}  // namespace tariff::ctl
