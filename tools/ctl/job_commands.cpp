// SPDX-License-Identifier: Apache-2.0
// Commands about jobs: jobs, job, cancel, watch.
#include <algorithm>
#include <chrono>

#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"
#include "tools/ctl/job_view.h"

namespace tariff::ctl {
namespace {

std::int64_t now_unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// All pages, newest first, at most `limit` jobs.
Result<std::vector<v1::Job>> list_jobs(AgentClient& agent, const JobsOptions& options) {
  v1::ListRequest request;
  request.set_price_class(options.price_class);
  request.set_function(options.function);
  request.set_ended(options.all);
  std::vector<v1::Job> jobs;
  while (true) {
    if (options.limit > 0) request.set_limit(options.limit - static_cast<int>(jobs.size()));
    auto page = agent.call<v1::ListReply>("List", request);
    if (!page) return std::move(page).error();
    for (v1::Job& job : *page->mutable_jobs()) jobs.push_back(std::move(job));
    const bool enough = options.limit > 0 && static_cast<int>(jobs.size()) >= options.limit;
    if (page->next_page_token().empty() || page->jobs().empty() || enough) return jobs;
    request.set_page_token(page->next_page_token());
  }
}

}  // namespace

int jobs_command(const Globals& globals, const JobsOptions& options) {
  AgentClient agent(globals.endpoint, globals.timeout);
  const auto jobs = list_jobs(agent, options);
  if (!jobs) return fail(globals, jobs.error());
  Json list = Json::array();
  for (const v1::Job& job : *jobs) list.push_back(to_json(job));
  print(globals, Json{{"jobs", std::move(list)}}, jobs_text(*jobs, now_unix_ns()));
  return 0;
}

int job_command(const Globals& globals, const std::string& id) {
  AgentClient agent(globals.endpoint, globals.timeout);
  v1::GetRequest request;
  request.set_id(id);
  const auto reply = agent.call<v1::GetReply>("Get", request);
  if (!reply) return fail(globals, reply.error());
  print(globals, to_json(reply->job()), job_text(reply->job()));
  return 0;
}

int cancel_command(const Globals& globals, const std::vector<std::string>& ids) {
  AgentClient agent(globals.endpoint, globals.timeout);
  Json list = Json::array();
  std::string text;
  int exit = 0;
  for (const std::string& id : ids) {
    v1::CancelRequest request;
    request.set_id(id);
    const auto reply = agent.call_patiently<v1::CancelReply>("Cancel", request);
    if (!reply) {
      // The other ids are still tried: who cancels ten jobs wants nine gone if one is unknown.
      const int code = static_cast<int>(exit_of(reply.error().kind));
      exit = std::max(exit, code);
      if (!globals.json) say(reply.error().text());
      list.push_back({{"id", id}, {"error", reply.error().message}, {"exit", code}});
      if (code == static_cast<int>(Exit::Unreachable)) break;
      continue;
    }
    list.push_back({{"id", id}, {"already_ended", reply->already_ended()}});
    text += id + (reply->already_ended() ? " had ended already\n" : " is being ended\n");
  }
  print(globals, Json{{"cancelled", std::move(list)}}, text);
  return exit;
}

int watch_command(const Globals& globals, const std::string& id) {
  AgentClient agent(globals.endpoint, globals.timeout);
  v1::WatchRequest request;
  request.set_id(id);
  request.set_snapshot(true);
  bool job_ended = false;
  Status written = ok();
  const auto on_message = [&](std::string_view message) {
    v1::WatchEvent event;
    if (!event.ParseFromArray(message.data(), static_cast<int>(message.size()))) return true;
    written = print_raw(globals.json ? json_line(to_json(event)) : event_text(event));
    job_ended = !id.empty() && (event.job().state() == v1::JOB_STATE_ENDED ||
                                event.job().state() == v1::JOB_STATE_EXPIRED);
    return written.has_value() && !job_ended;
  };
  // An agent that is restarted ends the stream, not the watching: its jobs go on as well.
  while (true) {
    auto ended = agent.stream("Watch", request.SerializeAsString(), on_message);
    if (!written) return fail(globals, written.error());
    if (job_ended) return 0;
    if (!ended && exit_of(ended.error().kind) != Exit::Unreachable)
      return fail(globals, ended.error());
    if (auto back = agent.reconnect_patiently(); !back) return fail(globals, back.error());
    if (!globals.json) say("the agent was away; all jobs follow once more");
  }
}

}  // namespace tariff::ctl
