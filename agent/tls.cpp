// SPDX-License-Identifier: Apache-2.0
#include "agent/tls.h"

#include <pthread.h>
#include <sched.h>

#include <ctime>

#include "agent/log.h"
#include "agent/tls_files.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;

/// How long before its end a certificate is warned of.
constexpr std::int64_t kWarnDays = 14;
constexpr std::int64_t kDay = 24 * 60 * 60;

/// Anybody who reaches the port can make a handshake fail: one line in so long, and a count.
constexpr auto kLogEvery = 10s;

std::int64_t now() { return std::time(nullptr); }

}  // namespace

Status TlsPort::listen(const config::NodeConfig& config) {
  if (!config.tls) return ok();
  auto context = ipc::TlsContext::load(tls_files(*config.tls), ipc::TlsSide::Server);
  if (!context) return std::move(context).error().context("tls");
  const int priority = config.fifo.workers;
  const auto thread_began = [priority] {
    (void)::pthread_setname_np(::pthread_self(), "tls");  // first: agent/bands.cpp knows it by that
    const sched_param wanted{priority};
    (void)::sched_setscheduler(0, SCHED_FIFO, &wanted);  // else it stays at the agent's own
  };
  auto listening =
      server_.listen_tls(config.tls->listen, *context, {}, thread_began,
                         [this](const std::string&, const Error& why) { handshake_failed(why); });
  if (!listening) return std::move(listening).error().context("tls.listen");
  listen_ = config.tls->listen;
  context_ = std::move(*context);
  log(LogLevel::Info, "listening on " + listen_ + " with TLS as " + context_->own().subject);
  return ok();
}

Result<std::shared_ptr<ipc::TlsContext>> TlsPort::prepare(const config::NodeConfig& wanted) const {
  if (!context_ || !wanted.tls) return std::shared_ptr<ipc::TlsContext>();
  auto context = ipc::TlsContext::load(tls_files(*wanted.tls), ipc::TlsSide::Server);
  if (!context) return std::move(context).error().context("tls");
  const auto wrong = ipc::validity_problem((*context)->own(), now());
  if (!wrong.empty() && ipc::validity_problem(context_->own(), now()).empty())
    return Error{ErrorKind::FailedPrecondition,
                 "tls: the new certificate " + wanted.tls->certificate + " " + wrong,
                 "the one in use is valid and stays"};
  return context;
}

void TlsPort::use(std::shared_ptr<ipc::TlsContext> context) {
  if (!context) return;
  context_ = std::move(context);
  server_.use_tls(context_);
}

void TlsPort::warn(std::vector<std::string>& warnings) const {
  if (!context_) return;
  if (auto text = expiry_warning(context_->own(), now()); !text.empty()) warnings.push_back(text);
}

void TlsPort::fill(v1::StatusReply& reply) const {
  if (!context_) return;
  const auto stats = server_.tls_stats();
  reply.set_tls_listen(listen_);
  reply.set_certificate_expires_unix_ns(context_->own().not_after * 1'000'000'000);
  reply.set_tls_connections(static_cast<int>(stats.connected));
  reply.set_tls_handshakes_failed(stats.failed);
  reply.set_tls_refused(stats.refused);
}

void TlsPort::handshake_failed(const Error& why) {
  const auto time = std::chrono::steady_clock::now();
  if (time - logged_ < kLogEvery) {
    ++not_logged_;
    return;
  }
  std::string more;
  if (not_logged_ > 0) more = "; " + std::to_string(not_logged_) + " more since the last such line";
  log(LogLevel::Info, why.text() + more);
  logged_ = time;
  not_logged_ = 0;
}

std::string expiry_warning(const ipc::CertificateFacts& certificate, std::int64_t time) {
  const std::string which = "the TLS certificate " + certificate.subject + " ";
  if (auto wrong = ipc::validity_problem(certificate, time); !wrong.empty())
    return which + wrong + ": no new connection can be made";
  const auto left = certificate.not_after - time;
  if (left > kWarnDays * kDay) return {};
  if (left < kDay) return which + "expires in " + std::to_string(left / 3'600) + " hours";
  return which + "expires in " + std::to_string(left / kDay) + " days";
}

}  // namespace tariff::agent
