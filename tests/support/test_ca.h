// SPDX-License-Identifier: Apache-2.0
// Certificates made while the test runs, so that none in the tree expires: a CA in a directory of
// its own, and what it signs as PEM files there. EC keys, since making them takes no time.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>

#include "ipc/tls.h"
#include "support/catch.h"

namespace tariff::test {

class TestCa {
 public:
  struct Wanted {
    std::string name;
    std::string san;         ///< "IP:127.0.0.1,DNS:localhost" or "URI:tariff:role/reader"
    long begins_in = -3600;  ///< seconds from now
    long ends_in = 3600;
    bool self_signed = false;
    std::string usage;  ///< extendedKeyUsage: "clientAuth"; empty: none
  };

  TestCa() : directory_(make_directory()), key_(make_key()), certificate_(X509_new(), X509_free) {
    fill({"test CA", "", -7200, 7200}, certificate_.get(), key_.get());
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    REQUIRE(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
    write_certificate(path("ca.crt"), certificate_.get());
  }
  ~TestCa() { std::filesystem::remove_all(directory_); }
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  [[nodiscard]] std::string path(const std::string& file) const { return directory_ + "/" + file; }

  /// Makes NAME.crt and NAME.key.
  ipc::TlsFiles issue(const Wanted& wanted) {
    const auto key = make_key();
    const std::unique_ptr<X509, void (*)(X509*)> certificate(X509_new(), X509_free);
    fill(wanted, certificate.get(), key.get());
    X509* issuer = wanted.self_signed ? certificate.get() : certificate_.get();
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
    if (!wanted.san.empty()) extend(certificate.get(), NID_subject_alt_name, wanted.san);
    if (!wanted.usage.empty()) extend(certificate.get(), NID_ext_key_usage, wanted.usage);
    EVP_PKEY* signer = wanted.self_signed ? key.get() : key_.get();
    REQUIRE(X509_sign(certificate.get(), signer, EVP_sha256()) > 0);
    write_certificate(path(wanted.name + ".crt"), certificate.get());
    write_key(path(wanted.name + ".key"), key.get());
    return {path(wanted.name + ".crt"), path(wanted.name + ".key"), path("ca.crt"), {}};
  }

  ipc::TlsFiles server(const std::string& name = "server") {
    return issue({name, "DNS:localhost,IP:127.0.0.1"});
  }
  ipc::TlsFiles client(const std::string& role) {
    return issue({role, "URI:tariff:role/" + role});
  }

  /// A revocation list that names this certificate; its path.
  std::string revoke(const std::string& certificate_file) {
    const std::unique_ptr<X509_CRL, void (*)(X509_CRL*)> crl(X509_CRL_new(), X509_CRL_free);
    X509_CRL_set_version(crl.get(), 1);
    X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(certificate_.get()));
    const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> now(X509_gmtime_adj(nullptr, -60),
                                                               ASN1_STRING_free);
    const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> later(X509_gmtime_adj(nullptr, 3600),
                                                                 ASN1_STRING_free);
    X509_CRL_set1_lastUpdate(crl.get(), now.get());
    X509_CRL_set1_nextUpdate(crl.get(), later.get());
    std::FILE* file = std::fopen(certificate_file.c_str(), "r");
    REQUIRE(file != nullptr);
    const std::unique_ptr<X509, void (*)(X509*)> revoked(
        PEM_read_X509(file, nullptr, nullptr, nullptr), X509_free);
    std::fclose(file);
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked.get()));
    X509_REVOKED_set_revocationDate(entry, now.get());
    X509_CRL_add0_revoked(crl.get(), entry);
    REQUIRE(X509_CRL_sign(crl.get(), key_.get(), EVP_sha256()) > 0);
    file = std::fopen(path("ca.crl").c_str(), "w");
    REQUIRE(PEM_write_X509_CRL(file, crl.get()) == 1);
    std::fclose(file);
    return path("ca.crl");
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

  static std::string make_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tariff-ca-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    return pattern;
  }
  static Key make_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

  void fill(const Wanted& wanted, X509* certificate, EVP_PKEY* key) {
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wanted.begins_in);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.ends_in);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1, -1,
                               0);
  }
  static void extend(X509* certificate, int id, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    REQUIRE(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static void write_certificate(const std::string& file, X509* certificate) {
    std::FILE* stream = std::fopen(file.c_str(), "w");
    REQUIRE(stream != nullptr);
    REQUIRE(PEM_write_X509(stream, certificate) == 1);
    std::fclose(stream);
  }
  static void write_key(const std::string& file, EVP_PKEY* key) {
    std::FILE* stream = std::fopen(file.c_str(), "w");
    REQUIRE(stream != nullptr);
    ::chmod(file.c_str(), 0600);
    REQUIRE(PEM_write_PrivateKey(stream, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(stream);
  }

  std::string directory_;
  long serial_ = 0;
  Key key_;
  std::unique_ptr<X509, void (*)(X509*)> certificate_;
};

}  // namespace tariff::test
