// SPDX-License-Identifier: Apache-2.0
// The agent's TLS port: opened at start, given new certificates by a reload, shown in the status.
//
// Threading: the io_context's one thread. The port's own thread is the server's
// (ipc/tls_listener.h) and runs at the priority of workers: above every job, so that a machine full
// of jobs still answers its callers, below launcher and agent.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/schema.h"
#include "ipc/proto/agent.pb.h"
#include "ipc/server.h"
#include "ipc/tls.h"

namespace tariff::agent {

class TlsPort {
 public:
  explicit TlsPort(ipc::Server& server) : server_(server) {}

  /// Listens if the configuration says so.
  Status listen(const config::NodeConfig& config);

  /// Reads the certificates of a new configuration. Empty if there is no port. Errors: files that
  /// cannot be used; a certificate that is not valid now in place of one that is.
  Result<std::shared_ptr<ipc::TlsContext>> prepare(const config::NodeConfig& wanted) const;
  /// For connections from now on; those that are open stay as they are.
  void use(std::shared_ptr<ipc::TlsContext> context);

  /// Adds what an administrator must know: a certificate that expires soon, or has expired.
  void warn(std::vector<std::string>& warnings) const;
  void fill(v1::StatusReply& reply) const;

 private:
  void handshake_failed(const Error& why);

  ipc::Server& server_;
  std::string listen_;
  std::shared_ptr<ipc::TlsContext> context_;
  std::chrono::steady_clock::time_point logged_{};
  std::uint64_t not_logged_ = 0;
};

/// "the TLS certificate CN=x expires in 9 days"; empty while there is time. Pure.
std::string expiry_warning(const ipc::CertificateFacts& certificate, std::int64_t now);

}  // namespace tariff::agent
