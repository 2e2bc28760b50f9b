// SPDX-License-Identifier: Apache-2.0
#include "agent/reload_command.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>

#include "agent/settings.h"
#include "ipc/client.h"
#include "ipc/proto/agent.pb.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto kCall = 5s;
constexpr auto kPatience = 20s;  // a reload under full load makes cgroups, which takes seconds
constexpr auto kPause = 20ms;

struct Seen {
  std::uint64_t generation = 0;
  std::uint64_t attempts = 0;
  std::string error;
};

asio::awaitable<Result<Seen>> look(ipc::Client& client) {
  auto status = co_await client.call<v1::StatusReply>("tariff.v1.Agent", "Status",
                                                      v1::StatusRequest(), kCall);
  if (!status) co_return std::move(status).error();
  co_return Seen{status->config_generation(), status->reloads(), status->config_error()};
}

asio::awaitable<Status> reload(asio::io_context& io, std::string socket, int agent_pid) {
  auto client = co_await ipc::Client::connect(io, socket, kCall);
  if (!client) co_return std::move(client).error();
  const auto before = co_await look(**client);
  if (!before) co_return before.error();
  if (::kill(agent_pid, SIGHUP) < 0)
    co_return errno_error("cannot signal the agent, pid " + std::to_string(agent_pid), errno);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    asio::steady_timer pause(io, kPause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto now = co_await look(**client);
    if (!now) co_return now.error();
    if (now->attempts == before->attempts) continue;
    if (now->generation > before->generation) co_return ok();
    co_return Error{ErrorKind::FailedPrecondition, now->error, {}};
  }
  co_return Error{ErrorKind::DeadlineExceeded, "the agent has not reloaded within 20 s",
                  "journalctl -u tariffd"};
}

}  // namespace

int reload_command(const std::string& config_path, int agent_pid) {
  const auto wanted = load_settings(config_path);
  std::fputs(wanted.report.c_str(), stderr);
  if (!wanted.value) return 1;
  // The agent listens where it did when it started, whatever the new file says.
  const auto running = load_settings(kRunningConfig);
  const auto& config = running.value ? running.value->config : wanted.value->config;
  asio::io_context io(1);
  Status result = ok();
  const auto run = [&]() -> asio::awaitable<void> {
    result = co_await reload(io, config.sockets.agent, agent_pid);
  };
  asio::co_spawn(io, run(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  io.run();
  if (result) return 0;
  std::fprintf(stderr, "<3>tariffd: not reloaded: %s\n", result.error().text().c_str());
  return 1;
}

}  // namespace tariff::agent
