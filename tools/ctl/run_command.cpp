// SPDX-License-Identifier: Apache-2.0
// run and wait: place, wait, print the result exactly, acknowledge. The agent may be restarted at
// any moment: the id is made here, so Place and Wait are repeated until they are answered.
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "base/fd.h"
#include "ipc/proto/agent.pb.h"
#include "tools/ctl/agent_client.h"
#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"
#include "tools/ctl/job_view.h"
#include "tools/ctl/node_view.h"

namespace tariff::ctl {
namespace {

using namespace std::chrono_literals;

/// One Wait call; short enough that an agent that hangs is noticed, long enough to cost nothing.
constexpr auto kWaitSlice = 20s;
/// Above any payload that an agent takes (a frame is 4 MiB): refused here before it is read whole.
constexpr std::size_t kPayloadLimit = 64 << 20;
constexpr int kExitInterrupted = 130;  // 128 + SIGINT

std::string make_id() {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random)
    random = static_cast<std::uint64_t>(::getpid());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  char id[64];
  std::snprintf(id, sizeof id, "ctl-%llx-%016llx", static_cast<unsigned long long>(seconds.count()),
                static_cast<unsigned long long>(random));
  return id;
}

Result<std::string> read_all(int fd, const std::string& name) {
  std::string bytes;
  char buffer[65'536];
  while (true) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("cannot read the payload from " + name, errno);
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
    if (bytes.size() > kPayloadLimit)
      return Error{ErrorKind::ResourceExhausted, "the payload from " + name + " is over 64 MiB",
                   "a payload is at most 4 MiB"};
  }
}

Result<std::string> payload_of(const RunOptions& options) {
  if (options.payload) return *options.payload;
  const bool from_stdin = options.payload_file ? *options.payload_file == "-"
                                               : ::isatty(STDIN_FILENO) == 0;
  if (from_stdin) {
    // A closed standard input is no payload, as a terminal is.
    if (::fcntl(STDIN_FILENO, F_GETFD) < 0) return std::string();
    return read_all(STDIN_FILENO, "standard input");
  }
  if (!options.payload_file) return std::string();
  auto file = open_at(AT_FDCWD, *options.payload_file, O_RDONLY);
  if (!file) return std::move(file).error();
  return read_all(file->get(), *options.payload_file);
}

// Set before the handler is installed, read by it only.
char interrupt_note[256];

void on_interrupt(int) {
  static_cast<void>(!::write(STDERR_FILENO, interrupt_note, std::strlen(interrupt_note)));
  ::_exit(kExitInterrupted);
}

/// Ctrl-C ends tariffctl, not the job; it says how to go on.
void note_interrupts(const std::string& id) {
  std::snprintf(interrupt_note, sizeof interrupt_note,
                "\ntariffctl: job %.64s goes on: tariffctl wait %.64s, or cancel\n", id.c_str(),
                id.c_str());
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

Result<v1::WaitReply> wait_for(AgentClient& agent, const std::string& id) {
  v1::WaitRequest request;
  request.set_id(id);
  request.set_want_result(true);
  request.set_timeout_ms(std::chrono::milliseconds(kWaitSlice).count());
  while (true) {
    auto reply = agent.call_patiently<v1::WaitReply>("Wait", request, kWaitSlice);
    if (!reply || reply->ended()) return reply;
  }
}

struct Ending {
  bool keep = false;
  bool verbose = false;
};

/// Waits, prints and acknowledges; the exit status is the job's.
int finish(AgentClient& agent, const Globals& globals, const std::string& id, Ending options) {
  note_interrupts(id);
  auto reply = wait_for(agent, id);
  if (!reply) {
    const int exit = run_exit_of_error(reply.error().kind);
    return fail(globals, std::move(reply).error().context("job " + id), exit);
  }
  const v1::Job& job = reply->job();
  const int exit = run_exit_of(job);
  if (globals.json) {
    Json json{{"job", to_json(job)}};
    put_bytes(json, "result", reply->result());
    json["exit"] = exit;
    print(globals, json, {});
  } else {
    if (auto printed = print_raw(reply->result()); !printed)
      return fail(globals, printed.error(), static_cast<int>(Exit::Failed));
    if (job.state() == v1::JOB_STATE_EXPIRED) say("job " + id + ": its result was dropped");
    else if (job.end_reason() != v1::END_REASON_EXITED) say("job " + id + ": " + end_words(job));
  }
  if (options.verbose) print_error_text(job_text(job));
  if (!options.keep) {
    v1::AcknowledgeRequest request;
    request.set_id(id);
    // Who cannot be told drops the result later by itself.
    static_cast<void>(agent.call<v1::AcknowledgeReply>("Acknowledge", request).has_value());
  }
  return exit;
}

int report_refusal(const Globals& globals, const RunOptions& options, const v1::PlaceReply& reply) {
  const int exit = run_exit_of_refusal(reply.refusal());
  if (globals.json) {
    Json json = to_json(reply);
    json["exit"] = exit;
    print(globals, json, {});
    return exit;
  }
  const std::string why =
      reply.message().empty() ? refusal_words(reply.refusal()) : reply.message();
  std::string load;
  if (reply.has_load() && reply.refusal() == v1::REFUSAL_TOO_MANY_JOBS)
    load = "; " + load_text(reply.load());
  return fail(globals,
              Error{ErrorKind::FailedPrecondition,
                    "function " + options.function + " was refused (" +
                        refusal_words(reply.refusal()) + "): " + why + load,
                    refusal_hint(reply.refusal())},
              exit);
}

}  // namespace

int run_command(const Globals& globals, const RunOptions& options) {
  auto payload = payload_of(options);
  if (!payload)
    return fail(globals, payload.error(), static_cast<int>(RunExit::Refused));
  v1::PlaceRequest request;
  request.set_id(options.id.empty() ? make_id() : options.id);
  request.set_function(options.function);
  request.set_payload(std::move(*payload));
  if (options.deadline) request.set_deadline_ms(options.deadline->count());

  AgentClient agent(globals.endpoint, globals.timeout);
  auto reply = agent.call_patiently<v1::PlaceReply>("Place", request);
  if (!reply) {
    const int exit = run_exit_of_error(reply.error().kind);
    return fail(globals,
                std::move(reply).error().context("placing " + options.function + " as job " +
                                                 request.id()), exit);
  }
  if (!reply->accepted()) return report_refusal(globals, options, *reply);
  if (options.detach) {
    print(globals, to_json(*reply), reply->id() + "\n");
    return 0;
  }
  if (options.verbose && !globals.json)
    say("job " + reply->id() + (reply->repeated() ? " had been placed before" : " placed"));
  return finish(agent, globals, reply->id(), {.keep = options.keep, .verbose = options.verbose});
}

int wait_command(const Globals& globals, const WaitOptions& options) {
  AgentClient agent(globals.endpoint, globals.timeout);
  return finish(agent, globals, options.id, {.keep = options.keep, .verbose = options.verbose});
}

}  // namespace tariff::ctl
