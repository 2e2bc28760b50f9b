// SPDX-License-Identifier: Apache-2.0
#include "agent/tls_files.h"

#include <ctime>

namespace tariff::agent {

ipc::TlsFiles tls_files(const config::Tls& tls) {
  return {tls.certificate, tls.key, tls.client_ca, tls.crl};
}

std::vector<config::FileProblem> check_tls(const config::Tls& tls) {
  std::vector<config::FileProblem> problems;
  for (auto& found : ipc::check_tls_files(tls_files(tls), ipc::TlsSide::Server, std::time(nullptr)))
    problems.push_back({std::string(found.file) == "ca" ? "client_ca" : found.file, found.error,
                        std::move(found.message), std::move(found.hint)});
  return problems;
}

}  // namespace tariff::agent
