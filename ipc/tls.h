// SPDX-License-Identifier: Apache-2.0
// Certificates and keys as either end of a TLS connection uses them: read and checked once, then
// immutable. Who wants new ones makes a new TlsContext; connections keep the one they began with.
//
// TLS 1.3 only. Both ends show a certificate of a CA that the other names; no session is resumed
// (no tickets), so that each connection is checked against the files of now. What a peer may do is
// in its certificate: each subjectAltName of type URI that begins with kRoleUri names one role. The
// words behind it are the application's.
//
// Threading: immutable after load(). Errors: values for people: which file, what is wrong with it.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tariff::ipc {

/// Prefix of the URIs that name roles: "tariff:role/reader". A URI, and not the subject's OU, since
/// a name is for people and a CA's rules for names are its own.
inline constexpr const char* kRoleUri = "tariff:role/";

/// PEM files. `ca` says whom the other end may be certified by; `crl` may be empty.
struct TlsFiles {
  std::string certificate;  ///< its own first, then what leads to the CA
  std::string key;
  std::string ca;
  std::string crl;
};

enum class TlsSide { Server, Client };

/// What a certificate says, seconds since 1970.
struct CertificateFacts {
  std::string subject;  ///< "CN=shard-1,O=Example", for people and logs
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;
  std::vector<std::string> roles;  ///< without kRoleUri, in the certificate's order
};

class TlsContext {
 public:
  /// Reads all files. Errors: a file that is missing, unreadable or no PEM; a key that is not the
  /// certificate's. A certificate that has expired is loaded: the clock may be what is wrong.
  static Result<std::shared_ptr<TlsContext>> load(const TlsFiles& files, TlsSide side);

  [[nodiscard]] boost::asio::ssl::context& native() { return context_; }
  [[nodiscard]] const CertificateFacts& own() const { return own_; }

  TlsContext(boost::asio::ssl::context context, CertificateFacts own)
      : context_(std::move(context)), own_(std::move(own)) {}

 private:
  boost::asio::ssl::context context_;
  CertificateFacts own_;
};

/// The certificate that the other end showed; empty if none.
std::optional<CertificateFacts> peer_certificate(SSL* connection);

/// Why a handshake, or the first read behind it, failed, in words for people; `where` is the other
/// end. In TLS 1.3 a client learns only then that its certificate was refused.
Error explain_tls_failure(SSL* connection, TlsSide side, const boost::system::error_code& error,
                          const std::string& where);

/// One thing that is wrong with the files, found by check_tls_files().
struct TlsProblem {
  const char* file;  ///< which: "certificate", "key", "ca" or "crl"
  bool error;        ///< else a warning
  std::string message;
  std::string hint;
};

/// Everything that can be said about the files before they are used, at `now` (seconds since 1970).
std::vector<TlsProblem> check_tls_files(const TlsFiles& files, TlsSide side, std::int64_t now);

/// "expired on 2026-01-31 12:00 UTC", "is valid only from ..."; empty if it is valid at `now`.
std::string validity_problem(const CertificateFacts& facts, std::int64_t now);

}  // namespace tariff::ipc
