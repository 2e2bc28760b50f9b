// SPDX-License-Identifier: Apache-2.0
// events: what happens to jobs, as lines; with -f for as long as one likes.
#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/events.h"
#include "tools/ctl/failure.h"
#include "tools/ctl/job_view.h"

namespace tariff::ctl {
namespace {

std::string line_of(const Globals& globals, const v1::WatchEvent& event) {
  return globals.json ? json_line(to_json(event)) : event_text(event);
}

/// The last event of every job that is known, oldest first.
int past_events(const Globals& globals, const EventFilter& filter) {
  AgentClient agent(globals.endpoint, globals.timeout);
  v1::ListRequest request;
  request.set_price_class(filter.price_class);
  request.set_function(filter.function);
  request.set_ended(true);
  std::vector<v1::Job> jobs;
  while (true) {
    auto page = agent.call<v1::ListReply>("List", request);
    if (!page) return fail(globals, page.error());
    for (auto& job : *page->mutable_jobs()) jobs.push_back(std::move(job));
    if (page->next_page_token().empty()) break;
    request.set_page_token(page->next_page_token());
  }
  std::string text;
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    v1::WatchEvent event;
    *event.mutable_job() = std::move(*job);
    text += line_of(globals, event);
  }
  if (auto written = print_raw(text); !written) return fail(globals, written.error());
  return 0;
}

int follow(const Globals& globals, const EventFilter& filter) {
  AgentClient agent(globals.endpoint, globals.timeout);
  EventHistory history;
  bool was_away = false;
  Status written = ok();
  const auto on_message = [&](std::string_view message) {
    v1::WatchEvent event;
    if (!event.ParseFromArray(message.data(), static_cast<int>(message.size()))) return true;
    const bool news = event.has_job() && history.news(event.job());
    // The first snapshot is what was before; a later one tells what happened meanwhile.
    const bool shown = event.has_job() && (!event.snapshot() || (news && was_away)) &&
                       filter.takes(event.job());
    if (shown) {
      written = print_raw(line_of(globals, event));
    } else if (event.missed() > 0) {
      say(std::to_string(event.missed()) + " events missed");
    }
    return written.has_value();
  };
  v1::WatchRequest request;
  request.set_snapshot(true);
  while (true) {
    auto ended = agent.stream("Watch", request.SerializeAsString(), on_message);
    if (!written) return fail(globals, written.error());
    if (!ended && exit_of(ended.error().kind) != Exit::Unreachable)
      return fail(globals, ended.error());
    if (auto back = agent.reconnect_patiently(); !back) return fail(globals, back.error());
    was_away = true;
    say("the agent was away; what changed meanwhile follows");
  }
}

}  // namespace

int events_command(const Globals& globals, const EventsOptions& options) {
  const EventFilter filter{options.price_class, options.function};
  return options.follow ? follow(globals, filter) : past_events(globals, filter);
}

}  // namespace tariff::ctl
