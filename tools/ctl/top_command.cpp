// SPDX-License-Identifier: Apache-2.0
// top: what the classes do, now and all the time.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"
#include "tools/ctl/terminal.h"
#include "tools/ctl/top_view.h"

namespace tariff::ctl {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTree = "/sys/fs/cgroup/tariff.slice/tariff-jobs.service/";
/// The view answers keys between calls, so none may take long.
constexpr std::chrono::milliseconds kLongestCall = 3s;
constexpr int kJobsRead = 200;  // a read of cpu.stat each

/// CPU time of a job's cgroup: the agent knows it only once the job has ended.
std::int64_t cpu_of(const std::string& leaf) {
  if (leaf.empty() || leaf.find("..") != std::string::npos) return -1;
  const auto text = read_file_at(AT_FDCWD, kTree + leaf + "/cpu.stat");
  constexpr std::string_view kKey = "usage_usec ";
  if (!text || !text->starts_with(kKey)) return -1;
  return std::strtoll(text->c_str() + kKey.size(), nullptr, 10);
}

Result<TopSample> take_sample(AgentClient& agent) {
  TopSample sample;
  auto status = agent.call<v1::StatusReply>("Status", v1::StatusRequest());
  if (!status) return std::move(status).error();
  sample.at = std::chrono::steady_clock::now();
  sample.status = std::move(*status);
  v1::ListRequest request;
  request.set_limit(kJobsRead);
  auto jobs = agent.call<v1::ListReply>("List", request);
  if (!jobs) return std::move(jobs).error();
  for (auto& job : *jobs->mutable_jobs()) {
    const std::int64_t cpu_us = cpu_of(job.leaf());
    sample.jobs.push_back({std::move(job), cpu_us});
  }
  return sample;
}

int one_frame(const Globals& globals, const TopOptions& options) {
  AgentClient agent(globals.endpoint, globals.timeout);
  auto before = take_sample(agent);
  if (!before) return fail(globals, before.error());
  std::this_thread::sleep_for(options.delay);
  auto now = take_sample(agent);
  if (!now) return fail(globals, now.error());
  print(globals, top_json(&*before, *now), top_text(&*before, *now, {}, {}));
  return 0;
}

int live(const Globals& globals, const TopOptions& options) {
  AgentClient agent(globals.endpoint, std::min(globals.timeout, kLongestCall));
  auto first = take_sample(agent);
  if (!first) return fail(globals, first.error());  // before the terminal is touched
  std::optional<TopSample> before;
  TopSample now = std::move(*first);
  std::string trouble;
  Screen screen;
  auto next = std::chrono::steady_clock::now() + options.delay;
  while (true) {
    screen.show(top_text(before ? &*before : nullptr, now, Screen::size(), trouble));
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        next - std::chrono::steady_clock::now());
    const auto event = screen.wait(std::max(left, 0ms));
    if (event == Screen::Event::Quit) return 0;
    if (event == Screen::Event::Redraw) continue;
    auto sample = take_sample(agent);
    next = std::chrono::steady_clock::now() + options.delay;
    if (sample) {
      before = std::exchange(now, std::move(*sample));
      trouble.clear();
    } else {
      trouble = "THE AGENT IS AWAY, trying again: " + sample.error().message;
    }
  }
}

}  // namespace

int top_command(const Globals& globals, const TopOptions& options) {
  const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  return terminal && !options.once && !globals.json ? live(globals, options)
                                                    : one_frame(globals, options);
}

}  // namespace tariff::ctl
