// SPDX-License-Identifier: Apache-2.0
#include "agent/service.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/authorisation.h"
#include "agent/class_policy.h"
#include "agent/machine.h"
#include "agent/records.h"
#include "base/crash_point.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;
constexpr const char* kService = "tariff.v1.Agent";

// A launcher that is being restarted is back after 100 ms; longer than this and the caller had
// better try another machine.
constexpr auto kLauncherPatience = 2s;
constexpr std::size_t kLongestId = 64;
constexpr std::uint32_t kOpenFiles = 1024;  // a job's RLIMIT_NOFILE

bool valid_id(const std::string& id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= kLongestId && id.front() != '.' &&
         std::all_of(id.begin(), id.end(), allowed);
}

v1::Refusal refusal_of(launcher::Code code) {
  switch (code) {
    case launcher::CODE_ID_IN_USE: return v1::REFUSAL_ID_IN_USE;
    case launcher::CODE_EXPIRED: return v1::REFUSAL_EXPIRED_ID;
    case launcher::CODE_NOT_CONFIGURED: return v1::REFUSAL_LAUNCHER_UNAVAILABLE;
    default: return v1::REFUSAL_LAUNCH_FAILED;
  }
}

launcher::Request launch_request(const config::Function& function, const config::NodeConfig& config,
                                 const std::string& id, const v1::PlaceRequest& request) {
  const auto* price_class = find_class(config, function.price_class);
  launcher::Request message;
  auto& launch = *message.mutable_launch();
  launch.set_id(id);
  launch.set_function(function.name);
  launch.set_function_version(function.version);
  launch.set_class_asked(function.price_class);
  launch.set_class_run(function.price_class);
  launch.set_owner(function.owner);
  for (const auto& word : function.argv) launch.add_argv(word);
  for (const auto& [name, value] : function.env) launch.add_env(name + "=" + value);
  launch.set_working_directory(function.working_directory);
  launch.set_has_payload(!request.payload().empty());
  launch.set_payload_digest(payload_digest(request.payload()));
  launch.set_accepted_ns(monotonic_ns());
  launch.set_accepted_unix_ns(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                  std::chrono::system_clock::now().time_since_epoch()).count());
  const auto nanoseconds = [](const auto& duration) {
    return duration ? std::chrono::nanoseconds(*duration).count() : 0;
  };
  launch.set_timeout_ns(nanoseconds(function.timeout));
  launch.set_cpu_timeout_ns(nanoseconds(function.cpu_timeout));
  if (request.deadline_ms() > 0)
    launch.set_deadline_ns(launch.accepted_ns() + request.deadline_ms() * 1'000'000);
  launch.set_memory_max(function.memory_max_bytes.value_or(0));
  launch.set_pids_max(function.pids_max);
  launch.set_result_max(function.result_max_bytes);
  launch.set_nofile(kOpenFiles);
  launch.set_price_millionths(price_class->price.millionths);
  launch.set_memory_price_millionths(config.memory_price.millionths);
  return message;
}

}  // namespace

PlacementService::PlacementService(Dependencies dependencies)
    : d_(std::move(dependencies)),
      started_(std::chrono::steady_clock::now()),
      started_unix_s_(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())) {}

void PlacementService::attach() {
  using ipc::CallContext;
  auto& server = d_.server;
  server.authorise_by([](const ipc::Peer& peer, const std::string&, const std::string& method) {
    return authorise({peer.local, peer.uid, peer.certified, peer.roles, peer.name}, method);
  });
  server.on<v1::PlaceRequest, v1::PlaceReply>(
      kService, "Place", [this](CallContext&, const auto& request) { return place(request); });
  server.on<v1::WaitRequest, v1::WaitReply>(
      kService, "Wait",
      [this](CallContext& call, const auto& request) { return wait(call, request); });
  server.on<v1::AcknowledgeRequest, v1::AcknowledgeReply>(
      kService, "Acknowledge",
      [this](CallContext&, const auto& request) { return acknowledge(request); });
  server.on<v1::CancelRequest, v1::CancelReply>(
      kService, "Cancel", [this](CallContext&, const auto& request) { return cancel(request); });
  server.on<v1::ListRequest, v1::ListReply>(
      kService, "List", [this](CallContext&, const auto& request) { return list(request); });
  server.on<v1::GetRequest, v1::GetReply>(
      kService, "Get", [this](CallContext&, const auto& request) { return get(request); });
  server.on<v1::PollRequest, v1::PollReply>(
      kService, "Poll", [this](CallContext&, const auto&) -> Answer<v1::PollReply> {
        co_return poll();
      });
  server.on<v1::StatusRequest, v1::StatusReply>(
      kService, "Status", [this](CallContext&, const auto&) { return status(); });
  server.on<v1::DrainRequest, v1::DrainReply>(
      kService, "Drain",
      [this](CallContext&, const auto& request) { return drain(request); });
  server.on<v1::FreezeRequest, v1::FreezeReply>(
      kService, "Freeze",
      [this](CallContext&, const auto& request) { return freeze(request); });
  server.on<v1::ThawRequest, v1::ThawReply>(
      kService, "Thaw", [this](CallContext&, const auto& request) { return thaw(request); });
  server.on<v1::FunctionsRequest, v1::FunctionsReply>(
      kService, "Functions", [this](CallContext&, const auto&) { return functions(); });
  job_changes_ = d_.jobs.subscribe([this](const launcher::Record& record) {
    if (!events_->is_read(record.id())) return;
    v1::WatchEvent event;
    *event.mutable_job() = shown(record);
    events_->add(record.id(), event.SerializeAsString());
  });
  server.on_stream(kService, "Watch",
                   [this](CallContext& call, std::string_view payload,
                          ipc::StreamSink& sink) -> asio::awaitable<Status> {
                     v1::WatchRequest request;
                     if (!request.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
                       co_return Error{ErrorKind::InvalidArgument,
                                       "the request's payload is malformed", {}};
                     co_return co_await watch(call, request, sink);
                   });
}

v1::PlaceReply PlacementService::refuse(v1::Refusal why, const std::string& id,
                                        std::string message) {
  ++refused_[why];
  v1::PlaceReply reply;
  reply.set_id(id);
  reply.set_refusal(why);
  reply.set_message(std::move(message));
  *reply.mutable_load() = poll();
  return reply;
}

PlacementService::Answer<v1::PlaceReply> PlacementService::place(const v1::PlaceRequest& request) {
  std::string id = request.id();
  if (id.empty())
    id = "a-" + std::to_string(monotonic_ns()) + "-" + std::to_string(next_id_++);
  if (!valid_id(id))
    co_return refuse(v1::REFUSAL_INVALID_ID, id.substr(0, kLongestId),
                     "a job id is 1 to 64 of the characters A-Z a-z 0-9 . _ - and does not begin "
                     "with a point");
  const auto found = d_.node.functions.find(request.function());
  if (found == d_.node.functions.end())
    co_return refuse(v1::REFUSAL_UNKNOWN_FUNCTION, id,
                     "no function \"" + request.function().substr(0, kLongestId) +
                         "\" is installed here; tariffctl functions lists those that are");
  // A repeated id is answered from the record even while draining or full.
  const bool known = d_.jobs.find(id) != nullptr;
  if (!known && d_.node.draining)
    co_return refuse(v1::REFUSAL_DRAINING, id,
                     "this machine is being drained; tariffctl drain --undo ends that");
  const auto most = static_cast<std::size_t>(d_.node.config.limits.max_jobs);
  if (!known && d_.jobs.live() >= most)
    co_return refuse(v1::REFUSAL_TOO_MANY_JOBS, id,
                     std::to_string(most) + " jobs are on this machine (limits.max_jobs)");
  co_return co_await launch(config::Function(found->second), id, request);
}

asio::awaitable<v1::PlaceReply> PlacementService::launch(const config::Function& function,
                                                         const std::string& id,
                                                         const v1::PlaceRequest& request) {
  if (!co_await d_.launcher.wait_ready(kLauncherPatience))
    co_return refuse(v1::REFUSAL_LAUNCHER_UNAVAILABLE, id,
                     "the launcher is not connected; systemctl status tariff-launcher");
  Fd payload;
  if (!request.payload().empty()) {
    auto stored = sealed_memfd("payload-" + id, request.payload());
    if (!stored) co_return refuse(v1::REFUSAL_LAUNCH_FAILED, id, stored.error().text());
    payload = std::move(*stored);
  }
  crash_point("agent.before_launch");
  const auto message = launch_request(function, d_.node.config, id, request);
  auto reply = co_await d_.launcher.request(message, payload.get());
  if (reply && reply->message.failure().code() == launcher::CODE_LAUNCH_FAILED &&
      co_await d_.restore_tree())
    reply = co_await d_.launcher.request(message, payload.get());
  crash_point("agent.after_launch");
  v1::PlaceReply answer;
  answer.set_id(id);
  if (!reply) {
    // The launcher went away in the middle. Once it is back its records say whether it was done.
    co_await d_.launcher.wait_ready(kLauncherPatience);
    if (d_.jobs.find(id) == nullptr)
      co_return refuse(v1::REFUSAL_LAUNCHER_UNAVAILABLE, id, reply.error().text());
    answer.set_accepted(true);
    co_return answer;
  }
  if (reply->message.has_failure())
    co_return refuse(refusal_of(reply->message.failure().code()), id,
                     reply->message.failure().message());
  d_.jobs.apply(reply->message.launch().record());
  answer.set_accepted(true);
  answer.set_repeated(reply->message.launch().repeated_id());
  if (!answer.repeated()) ++accepted_[function.price_class];
  crash_point("agent.before_place_reply");
  co_return answer;
}

PlacementService::Answer<v1::WaitReply> PlacementService::wait(ipc::CallContext& call,
                                                               const v1::WaitRequest& request) {
  const std::string id = request.id();
  if (d_.jobs.find(id) == nullptr) co_return co_await explain_unknown(id);
  auto deadline = call.deadline;
  if (request.timeout_ms() > 0) {
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(request.timeout_ms());
    deadline = deadline ? std::min(*deadline, until) : until;
  }
  auto wait = d_.jobs.new_wait();
  call.on_cancel = [wait] { wait->give_up(); };
  co_await d_.jobs.wait_ended(id, deadline, wait);
  const auto* record = d_.jobs.find(id);
  if (record == nullptr) co_return co_await explain_unknown(id);
  v1::WaitReply reply;
  *reply.mutable_job() = shown(*record);
  reply.set_ended(record->state() == launcher::STATE_ENDED);
  if (reply.ended() && request.want_result() && record->result_bytes() > 0) {
    auto result = co_await fetch_result(id);
    if (!result) co_return std::move(result).error();
    reply.set_result(std::move(*result));
  }
  crash_point("agent.before_wait_reply");
  co_return reply;
}

asio::awaitable<Result<std::string>> PlacementService::fetch_result(const std::string& id) {
  if (!co_await d_.launcher.wait_ready(kLauncherPatience))
    co_return Error{ErrorKind::Unavailable, "the launcher, which keeps results, is not connected",
                    "systemctl status tariff-launcher"};
  launcher::Request request;
  request.mutable_fetch_result()->set_id(id);
  auto reply = co_await d_.launcher.request(std::move(request));
  if (!reply) co_return std::move(reply).error();
  if (reply->message.has_failure())
    co_return Error{reply->message.failure().code() == launcher::CODE_EXPIRED
                        ? ErrorKind::FailedPrecondition : ErrorKind::NotFound,
                    "the result of " + id + " is not there: " + reply->message.failure().message(),
                    {}};
  const auto bytes = reply->message.fetch_result().bytes();
  if (bytes == 0) co_return std::string();
  if (!reply->descriptor)
    co_return Error{ErrorKind::Internal, "the launcher sent no descriptor with a result", {}};
  co_return read_exactly(reply->descriptor.get(), bytes);
}

asio::awaitable<Error> PlacementService::explain_unknown(const std::string& id) {
  const std::string shown = id.substr(0, kLongestId);
  launcher::Request request;
  request.mutable_fetch_result()->set_id(id);
  auto reply = co_await d_.launcher.request(std::move(request));
  if (reply && reply->message.failure().code() == launcher::CODE_EXPIRED)
    co_return Error{ErrorKind::FailedPrecondition,
                    "job " + shown + " has ended and its record has expired",
                    "records are kept until acknowledged, or for limits.result_retention"};
  co_return Error{ErrorKind::NotFound, "no job " + shown + " is known here",
                  "tariffctl jobs --all lists those that are"};
}

PlacementService::Answer<v1::AcknowledgeReply> PlacementService::acknowledge(
    const v1::AcknowledgeRequest& request) {
  launcher::Request message;
  message.mutable_acknowledge()->set_id(request.id());
  auto reply = co_await d_.launcher.request(std::move(message));
  if (!reply) co_return std::move(reply).error();
  const auto code = reply->message.failure().code();
  // Said twice is as good as said once.
  if (reply->message.has_failure() && code != launcher::CODE_EXPIRED)
    co_return Error{code == launcher::CODE_NOT_ENDED ? ErrorKind::FailedPrecondition
                                                     : ErrorKind::NotFound,
                    reply->message.failure().message(), {}};
  co_return v1::AcknowledgeReply();
}

PlacementService::Answer<v1::CancelReply> PlacementService::cancel(
    const v1::CancelRequest& request) {
  if (d_.jobs.find(request.id()) == nullptr) co_return co_await explain_unknown(request.id());
  launcher::Request message;
  message.mutable_end()->set_id(request.id());
  message.mutable_end()->set_reason(launcher::REASON_CANCELLED);
  auto reply = co_await d_.launcher.request(std::move(message));
  if (!reply) co_return std::move(reply).error();
  if (reply->message.has_failure())
    co_return Error{ErrorKind::NotFound, reply->message.failure().message(), {}};
  v1::CancelReply answer;
  answer.set_already_ended(reply->message.end().already_ended());
  co_return answer;
}

}  // namespace tariff::agent
