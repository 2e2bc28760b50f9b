// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/agent_client.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "ipc/client.h"
#include "ipc/tls_connect.h"
#include "tools/ctl/failure.h"

namespace tariff::ctl {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr char kService[] = "tariff.v1.Agent";
constexpr auto kFirstBackOff = 50ms;
constexpr auto kLongestBackOff = 1'000ms;
/// An agent that has never answered is more likely not there than away.
constexpr std::chrono::milliseconds kFirstContact = 2'000ms;

Caller caller_of_this_process() {
  Caller caller;
  caller.root = ::geteuid() == 0;
  const group* tariff_group = ::getgrnam("tariff");
  const int count = ::getgroups(0, nullptr);
  if (tariff_group == nullptr || count < 0) return caller;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (::getgroups(count, groups.data()) != count) return caller;
  groups.push_back(::getegid());
  caller.in_group =
      std::find(groups.begin(), groups.end(), tariff_group->gr_gid) != groups.end();
  return caller;
}

Status prepare_tls(const Endpoint& endpoint, std::shared_ptr<ipc::TlsContext>& tls) {
  if (tls || !ipc::is_tls_endpoint(endpoint.address)) return ok();
  if (endpoint.certificate.empty() || endpoint.key.empty() || endpoint.ca.empty())
    return Error{ErrorKind::InvalidArgument,
                 endpoint.address + " needs --cert, --key and --ca",
                 "or $TARIFF_CERT, $TARIFF_KEY and $TARIFF_CA"};
  auto loaded = ipc::TlsContext::load({endpoint.certificate, endpoint.key, endpoint.ca, {}},
                                      ipc::TlsSide::Client);
  if (!loaded) return std::move(loaded).error();
  tls = std::move(*loaded);
  return ok();
}

bool away(const Error& error) {
  return error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::DeadlineExceeded;
}

/// Runs one coroutine to its end. The client's read loop stays on the io_context between calls.
template <typename T>
T run_one_coroutine(asio::io_context& io, asio::awaitable<T> work) {
  std::optional<T> outcome;
  std::exception_ptr thrown;
  bool done = false;  // set last of all: what runs on `io` later must not refer to this frame
  asio::co_spawn(
      io, [&]() -> asio::awaitable<void> { outcome.emplace(co_await std::move(work)); },
      [&](std::exception_ptr exception) {
        thrown = std::move(exception);
        done = true;
      });
  io.restart();
  while (!done && io.run_one() > 0) {
  }
  if (thrown) std::rethrow_exception(thrown);
  if (!outcome) return Error{ErrorKind::Internal, "the call was given up without an answer", {}};
  return std::move(*outcome);
}

}  // namespace

struct AgentClient::State {
  Endpoint endpoint;
  std::shared_ptr<ipc::TlsContext> tls;
  Milliseconds timeout;
  asio::io_context io{1};
  std::shared_ptr<ipc::Client> client;
  bool met = false;  ///< a connect has succeeded before
};

AgentClient::AgentClient(Endpoint endpoint, Milliseconds timeout)
    : state_(std::make_unique<State>()) {
  state_->endpoint = std::move(endpoint);
  state_->timeout = timeout;
}

AgentClient::~AgentClient() { drop(); }

void AgentClient::drop() {
  if (state_->client) state_->client->close();
  state_->client.reset();
}

Status AgentClient::connect() {
  if (state_->client) return ok();
  if (auto ready = prepare_tls(state_->endpoint, state_->tls); !ready) return ready;
  auto client = run_one_coroutine(
      state_->io, ipc::Client::connect(state_->io, state_->endpoint.address, state_->tls,
                                       state_->timeout));
  if (!client)
    return explain_connect_failure(std::move(client).error(), state_->endpoint.address,
                                   caller_of_this_process());
  state_->client = std::move(*client);
  state_->met = true;
  return ok();
}

Result<std::string> AgentClient::call_raw(const std::string& method, const std::string& payload,
                                          Milliseconds extra) {
  if (auto connected = connect(); !connected) return std::move(connected).error();
  auto reply = run_one_coroutine(
      state_->io, state_->client->call_raw(kService, method, payload, state_->timeout + extra));
  // After a lost connection or a silent agent nothing more is expected on this connection.
  if (!reply && away(reply.error())) drop();
  return reply;
}

Status AgentClient::stream(const std::string& method, const std::string& payload,
                           std::function<bool(std::string_view)> on_message) {
  if (auto connected = connect(); !connected) return std::move(connected).error();
  auto status = run_one_coroutine(
      state_->io, state_->client->stream(kService, method, payload, std::move(on_message)));
  drop();  // a stream that was stopped has no other end than its connection's
  return status;
}

Status AgentClient::reconnect_patiently() {
  auto done = patiently([this]() -> Result<std::string> {
    auto connected = connect();
    if (!connected) return std::move(connected).error();
    return std::string();
  });
  if (!done) return std::move(done).error();
  return ok();
}

Result<std::string> AgentClient::patiently(const std::function<Result<std::string>()>& attempt) {
  std::chrono::milliseconds back_off = kFirstBackOff;
  // A call that was answered late has been in contact until it failed, so the time counts from
  // its first failure.
  std::optional<Clock::time_point> give_up;
  while (true) {
    auto reply = attempt();
    if (reply || !away(reply.error())) return reply;
    const auto now = Clock::now();
    if (!give_up)
      give_up = now + (state_->met ? state_->timeout : std::min(state_->timeout, kFirstContact));
    if (now + back_off >= *give_up) return reply;
    std::this_thread::sleep_for(back_off);
    back_off = std::min<std::chrono::milliseconds>(back_off * 2, kLongestBackOff);
  }
}

}  // namespace tariff::ctl
