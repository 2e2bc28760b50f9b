// SPDX-License-Identifier: Apache-2.0
// An Agent service with canned replies on our ipc library: what a foreign client is tried against
// natively, before it meets the real agent in a guest. Every job is "hello" and ends at once with
// its payload as its result.
//
//   interop-server PATH     listens on PATH and on a loopback port that it prints
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <string>

#include <boost/asio/io_context.hpp>

#include "ipc/proto/agent.pb.h"
#include "ipc/server.h"

namespace {

using namespace tariff;
using ipc::CallContext;
template <typename T>
using Answer = boost::asio::awaitable<Result<T>>;

constexpr const char* kAgent = "tariff.v1.Agent";

struct CannedAgent {
  std::map<std::string, std::string> results;  // by job id

  v1::PlaceReply place(const v1::PlaceRequest& request) {
    v1::PlaceReply reply;
    reply.set_id(request.id());
    if (request.function() != "hello") {
      reply.set_refusal(v1::REFUSAL_UNKNOWN_FUNCTION);
      reply.set_message("there is no function " + request.function());
      return reply;
    }
    reply.set_accepted(true);
    reply.set_repeated(!results.emplace(request.id(), request.payload()).second);
    return reply;
  }

  Result<v1::Job> job(const std::string& id) const {
    if (!results.contains(id)) return Error{ErrorKind::NotFound, "no job " + id, {}};
    v1::Job job;
    job.set_id(id);
    job.set_function("hello");
    job.set_state(v1::JOB_STATE_ENDED);
    job.set_end_reason(v1::END_REASON_EXITED);
    return job;
  }
};

void add_reads(ipc::Server& server) {
  server.on<v1::PollRequest, v1::PollReply>(
      kAgent, "Poll", [](CallContext&, const v1::PollRequest&) -> Answer<v1::PollReply> {
        v1::PollReply reply;
        reply.add_classes()->set_price_class("standard");
        co_return reply;
      });
  server.on<v1::StatusRequest, v1::StatusReply>(
      kAgent, "Status", [](CallContext&, const v1::StatusRequest&) -> Answer<v1::StatusReply> {
        v1::StatusReply reply;
        reply.set_version("canned");
        co_return reply;
      });
  server.on<v1::FunctionsRequest, v1::FunctionsReply>(
      kAgent, "Functions",
      [](CallContext&, const v1::FunctionsRequest&) -> Answer<v1::FunctionsReply> {
        v1::FunctionsReply reply;
        reply.add_functions()->set_name("hello");
        co_return reply;
      });
}

void add_jobs(ipc::Server& server, CannedAgent& agent) {
  server.on<v1::PlaceRequest, v1::PlaceReply>(
      kAgent, "Place", [&](CallContext&, const v1::PlaceRequest& request)
          -> Answer<v1::PlaceReply> { co_return agent.place(request); });
  server.on<v1::WaitRequest, v1::WaitReply>(
      kAgent, "Wait",
      [&](CallContext&, const v1::WaitRequest& request) -> Answer<v1::WaitReply> {
        auto job = agent.job(request.id());
        if (!job) co_return std::move(job).error();
        v1::WaitReply reply;
        *reply.mutable_job() = *job;
        reply.set_ended(true);
        reply.set_result(agent.results[request.id()]);
        co_return reply;
      });
  server.on<v1::GetRequest, v1::GetReply>(
      kAgent, "Get", [&](CallContext&, const v1::GetRequest& request) -> Answer<v1::GetReply> {
        auto job = agent.job(request.id());
        if (!job) co_return std::move(job).error();
        v1::GetReply reply;
        *reply.mutable_job() = *job;
        co_return reply;
      });
  server.on<v1::AcknowledgeRequest, v1::AcknowledgeReply>(
      kAgent, "Acknowledge",
      [](CallContext&, const v1::AcknowledgeRequest&) -> Answer<v1::AcknowledgeReply> {
        co_return v1::AcknowledgeReply();
      });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s PATH\n", argv[0]);
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // never outlives the script that started it
  boost::asio::io_context io;
  ipc::Server server(io, {});
  CannedAgent agent;
  add_reads(server);
  add_jobs(server, agent);
  auto unix_socket = server.listen_unix_path(argv[1], 0600);
  auto tcp_socket = server.listen_tcp("127.0.0.1:0");
  for (const auto* listening : {&unix_socket, &tcp_socket}) {
    if (*listening) continue;
    std::fprintf(stderr, "%s\n", listening->error().text().c_str());
    return 1;
  }
  std::printf("%d\n", server.tcp_port());
  std::fflush(stdout);
  io.run();
}
