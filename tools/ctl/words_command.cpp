// SPDX-License-Identifier: Apache-2.0
// complete-words: what the shell's completion asks for. Silent when nothing is known: a shell that
// is completing has no use for an error.
#include <algorithm>

#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

/// Nobody waits longer for a completion.
constexpr std::chrono::milliseconds kPatience{1'000};
constexpr int kMostWords = 200;

std::string job_words(AgentClient& agent, bool ended) {
  v1::ListRequest request;
  request.set_limit(kMostWords);
  request.set_ended(ended);
  auto jobs = agent.call<v1::ListReply>("List", request);
  std::string out;
  if (!jobs) return out;
  for (const auto& job : jobs->jobs()) out += printable(job.id()) + "\n";
  return out;
}

}  // namespace

int words_command(const Globals& globals, const std::string& kind) {
  AgentClient agent(globals.endpoint, std::min(globals.timeout, kPatience));
  std::string out;
  if (kind == "jobs" || kind == "live") {
    out = job_words(agent, kind == "jobs");
  } else if (kind == "functions") {
    if (auto reply = agent.call<v1::FunctionsReply>("Functions", v1::FunctionsRequest()))
      for (const auto& one : reply->functions()) out += printable(one.name()) + "\n";
  } else if (kind == "classes") {
    if (auto reply = agent.call<v1::PollReply>("Poll", v1::PollRequest()))
      for (const auto& one : reply->classes()) out += printable(one.price_class()) + "\n";
  }
  static_cast<void>(print_raw(out).has_value());
  return 0;
}

}  // namespace tariff::ctl
