// SPDX-License-Identifier: Apache-2.0
// The section tls. What is in the files it names is judged by who understands certificates, and
// reported here, where each file is named.
#include <array>
#include <string>

#include "config/load.h"
#include "config/sections.h"

namespace tariff::config {
namespace {

using namespace std::string_view_literals;

constexpr std::array kTlsKeys = {"listen"sv, "certificate"sv, "key"sv, "client_ca"sv, "crl"sv};

constexpr auto kWhatFor = "a tls section needs listen, certificate, key and client_ca; "
                          "/usr/share/tariff/dev-ca makes some to try"sv;

void read_listen(Fields& fields, Tls& tls, Report& report) {
  if (!fields.require("listen", kWhatFor) || !fields.read_text("listen", tls.listen)) return;
  if (!parse_endpoint(tls.listen))
    report.error(fields.at("listen"), "'listen': '" + tls.listen + "' is not ADDRESS:PORT",
                 "write a numeric address: 0.0.0.0:7443 or \"[::]:7443\"");
}

}  // namespace

std::optional<Tls> read_tls(const Value* section, const TlsCheck& check, Report& report) {
  if (section == nullptr || section->kind == Value::Kind::Null) return std::nullopt;
  const std::size_t errors_before = report.errors();
  Fields fields(*section, "tls", kTlsKeys, report);
  Tls tls;
  read_listen(fields, tls, report);
  const std::pair<std::string_view, std::string*> files[] = {
      {"certificate", &tls.certificate}, {"key", &tls.key}, {"client_ca", &tls.client_ca}};
  for (const auto& [key, path] : files)
    if (fields.require(key, kWhatFor)) read_path(fields, key, *path, report);
  if (fields.find("crl") != nullptr) read_path(fields, "crl", tls.crl, report);
  if (report.errors() > errors_before || !check) return tls;
  for (const auto& problem : check(tls)) {
    const auto at = fields.at(problem.key);
    const std::string message = "'" + problem.key + "': " + problem.message;
    if (problem.error) report.error(at, message, problem.hint);
    else report.warning(at, message, problem.hint);
  }
  return tls;
}

}  // namespace tariff::config
