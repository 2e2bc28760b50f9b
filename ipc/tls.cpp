// SPDX-License-Identifier: Apache-2.0
#include "ipc/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ssl/error.hpp>
#include <ctime>

#include "base/fd.h"

namespace tariff::ipc {
namespace {

namespace ssl = boost::asio::ssl;

/// A peer's certificate chain: OpenSSL's bound is 100 KiB; a chain of four with RSA keys has 8.
constexpr long kLongestChainBytes = 32 << 10;

/// Certificates between a peer's and the CA's.
constexpr int kDeepestChain = 4;

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* object) const { Free(object); }
};
template <typename T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Deleter<T, Free>>;
using OwnedCertificate = Owned<X509, X509_free>;

void free_bio(BIO* bio) { BIO_free(bio); }
void free_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }

/// OpenSSL's oldest complaint, and an empty queue afterwards: it is per thread and shared.
std::string complaint() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "not understood" : reason;
}

/// The file can be read; else why not, in the words that people know.
Status readable(const std::string& path, const char* what) {
  const auto fd = Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return errno_error("cannot read the " + std::string(what) + " " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return Error{ErrorKind::InvalidArgument,
                 "the " + std::string(what) + " " + path + " is not a regular file", {}};
  return ok();
}

Error no_pem(const std::string& path, const char* what, const char* how) {
  return {ErrorKind::InvalidArgument,
          "the " + std::string(what) + " " + path + " cannot be used: " + complaint(), how};
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return ::timegm(&parts);
}

std::string subject_of(const X509* certificate) {
  const Owned<BIO, free_bio> text(BIO_new(BIO_s_mem()));
  if (!text) return {};
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::string> roles_of(const X509* certificate) {
  std::vector<std::string> roles;
  const Owned<GENERAL_NAMES, free_names> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return roles;
  const std::string prefix = kRoleUri;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                           static_cast<std::size_t>(ASN1_STRING_length(uri)));
    if (text.starts_with(prefix)) roles.push_back(text.substr(prefix.size()));
  }
  return roles;
}

CertificateFacts facts_of(const X509* certificate) {
  return {subject_of(certificate), seconds_of(X509_get0_notBefore(certificate)),
          seconds_of(X509_get0_notAfter(certificate)), roles_of(certificate)};
}

Status use_crl(SSL_CTX* context, const std::string& path) {
  if (path.empty()) return ok();
  if (auto there = readable(path, "revocation list"); !there) return there;
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == nullptr || X509_load_crl_file(lookup, path.c_str(), X509_FILETYPE_PEM) < 1)
    return no_pem(path, "revocation list", "write the CRL of the CA as PEM");
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return ok();
}

/// What is the same for every connection, whatever the files.
void harden(SSL_CTX* context, TlsSide side) {
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // An idle connection then keeps none of OpenSSL's record buffers (2 x 16 KiB).
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context, kLongestChainBytes);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, kDeepestChain);
  if (side == TlsSide::Client) SSL_CTX_set_post_handshake_auth(context, 0);
}

Status use_files(SSL_CTX* context, const TlsFiles& files) {
  ERR_clear_error();
  if (auto there = readable(files.certificate, "certificate"); !there) return there;
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    return no_pem(files.certificate, "certificate", "it must be PEM, the server's or client's own "
                                                    "certificate first");
  if (auto there = readable(files.key, "key"); !there) return there;
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH) {
      ERR_clear_error();
      return Error{ErrorKind::InvalidArgument,
                   "the key " + files.key + " is not the key of the certificate " +
                       files.certificate,
                   "was only one of the two replaced?"};
    }
    return no_pem(files.key, "key", "it must be PEM without a passphrase");
  }
  if (SSL_CTX_check_private_key(context) != 1)
    return no_pem(files.key, "key", "it must be the key of the certificate");
  if (auto there = readable(files.ca, "CA certificate"); !there) return there;
  if (SSL_CTX_load_verify_locations(context, files.ca.c_str(), nullptr) != 1)
    return no_pem(files.ca, "CA certificate", "it must be PEM");
  return use_crl(context, files.crl);
}

int refuse_passphrase(char*, int, int, void*) { return 0; }

std::string day_and_time(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32] = "?";
  if (::gmtime_r(&time, &parts) != nullptr)
    (void)std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

/// The alerts by which the other end says what it has against our certificate.
std::string words_of_alert(int reason) {
  switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return "it wants a certificate, and we have none";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: return "our certificate has expired";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED: return "our certificate was revoked";
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:  // a CA of the same name with another key
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA: return "our certificate is of a CA that it does not know";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return "our certificate is not valid there: not yet valid, or not made for this end";
    default: return {};
  }
}

/// What we have against the other end's certificate.
std::string words_of_verdict(long verdict, TlsSide side) {
  const std::string whose = side == TlsSide::Client ? "the server's" : "the client's";
  switch (verdict) {
    case X509_V_OK: return {};
    case X509_V_ERR_CERT_HAS_EXPIRED: return whose + " certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return whose + " certificate is not yet valid";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return whose + " certificate is for another name or address";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return whose + " certificate is self-signed";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return whose + " certificate is of an unknown CA";
    case X509_V_ERR_INVALID_PURPOSE:
      return whose + " certificate was not made for this end (extended key usage)";
    case X509_V_ERR_CERT_REVOKED: return whose + " certificate was revoked";
    default:
      return whose + " certificate is refused: " + X509_verify_cert_error_string(verdict);
  }
}

std::string hint_for_verdict(long verdict, TlsSide side) {
  if (side == TlsSide::Server) return {};
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "connect by a name that stands in its subjectAltName";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "is this machine's clock right?";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "it has to be renewed; or is this clock wrong?";
    default: return "is it the CA that certified this server?";
  }
}

/// Which file use_files() complains about.
const char* file_named_by(const std::string& message) {
  if (message.starts_with("the key")) return "key";
  if (message.starts_with("the CA")) return "ca";
  if (message.starts_with("the revocation")) return "crl";
  return "certificate";
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::load(const TlsFiles& files, TlsSide side) {
  try {
    ssl::context context(side == TlsSide::Server ? ssl::context::tls_server
                                                 : ssl::context::tls_client);
    SSL_CTX* native = context.native_handle();
    SSL_CTX_set_default_passwd_cb(native, refuse_passphrase);  // else it asks on a terminal
    harden(native, side);
    if (auto used = use_files(native, files); !used) return std::move(used).error();
    auto own = facts_of(SSL_CTX_get0_certificate(native));
    return std::make_shared<TlsContext>(std::move(context), std::move(own));
  } catch (const std::exception& failure) {
    return Error{ErrorKind::Internal, std::string("OpenSSL cannot be used: ") + failure.what(), {}};
  }
}

std::optional<CertificateFacts> peer_certificate(SSL* connection) {
  const OwnedCertificate certificate(SSL_get1_peer_certificate(connection));
  if (!certificate) return std::nullopt;
  return facts_of(certificate.get());
}

Error explain_tls_failure(SSL* connection, TlsSide side, const boost::system::error_code& error,
                          const std::string& where) {
  const std::string who = (side == TlsSide::Client ? "TLS with " : "TLS from ") + where + ": ";
  const long verdict = SSL_get_verify_result(connection);
  if (auto words = words_of_verdict(verdict, side); !words.empty())
    return {ErrorKind::PermissionDenied, who + words, hint_for_verdict(verdict, side)};
  if (error.category() != boost::asio::error::get_ssl_category())
    return {ErrorKind::Unavailable, who + "the connection ended: " + error.message(),
            side == TlsSide::Client ? "does it speak TLS 1.3?" : ""};
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  if (auto words = words_of_alert(reason); !words.empty())
    return {ErrorKind::PermissionDenied, who + "refused: " + words,
            side == TlsSide::Client ? "give a certificate that its operator's CA has made" : ""};
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return {ErrorKind::Unavailable, who + "the other side does not speak TLS",
              side == TlsSide::Client ? "is it the TLS port (tls.listen)?" : ""};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return {ErrorKind::Unavailable, who + "the other side has no TLS 1.3", {}};
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return {ErrorKind::PermissionDenied, who + "the client shows no certificate", {}};
    default: return {ErrorKind::Unavailable, who + error.message(), {}};
  }
}

std::string validity_problem(const CertificateFacts& facts, std::int64_t now) {
  if (now > facts.not_after) return "expired on " + day_and_time(facts.not_after);
  if (now < facts.not_before) return "is valid only from " + day_and_time(facts.not_before);
  return {};
}

std::vector<TlsProblem> check_tls_files(const TlsFiles& files, TlsSide side, std::int64_t now) {
  std::vector<TlsProblem> problems;
  const std::pair<const char*, const std::string*> named[] = {{"certificate", &files.certificate},
                                                              {"key", &files.key},
                                                              {"ca", &files.ca},
                                                              {"crl", &files.crl}};
  for (const auto& [name, path] : named) {
    if (path->empty()) continue;
    const auto there = readable(*path, "file");
    if (there) continue;
    // Whoever is not root checks a configuration, too, and is not meant to read the key.
    const bool mine = there.error().kind != ErrorKind::PermissionDenied || ::geteuid() == 0;
    problems.push_back({name, mine, there.error().message,
                        mine ? "" : "only who may read it can check it"});
  }
  const bool all_there = problems.empty();
  struct stat info {};
  if (::stat(files.key.c_str(), &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    problems.push_back({"key", false, "the key " + files.key + " is open to others than its owner",
                        "chmod 600 " + files.key});
  if (!all_there) return problems;
  const auto loaded = TlsContext::load(files, side);
  if (!loaded) {
    problems.push_back({file_named_by(loaded.error().message), true, loaded.error().message,
                        loaded.error().hint});
  } else if (auto wrong = validity_problem((*loaded)->own(), now); !wrong.empty()) {
    problems.push_back({"certificate", false, "the certificate " + files.certificate + " " + wrong,
                        "every client will refuse it"});
  }
  return problems;
}

}  // namespace tariff::ipc
