// SPDX-License-Identifier: Apache-2.0
// TLS end to end on loopback: who is let in, what everybody else is told, and what strangers can
// take while they are not let in.
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <ctime>
#include <thread>

#include "support/test_ca.h"
#include "unit/ipc/rig.h"

using namespace tariff;
using namespace tariff::test;

namespace {

std::shared_ptr<TlsContext> load(const TlsFiles& files, TlsSide side) {
  auto context = TlsContext::load(files, side);
  REQUIRE(context);
  return *context;
}

/// A server on a TLS port of loopback; its CA has certified it and whom the test says.
struct TlsRig : ServerRig {
  explicit TlsRig(TlsLimits tls_limits = {}, ServerLimits limits = {}) : ServerRig(limits) {
    server.on_unary("test.Service", "Who",
                    [](CallContext& call,
                       std::string_view) -> asio::awaitable<Result<std::string>> {
                      std::string text = call.peer.certified ? "certified" : "stranger";
                      for (const auto& role : call.peer.roles) text += " " + role;
                      co_return text;
                    });
    REQUIRE(server.listen_tls("127.0.0.1:0", load(ca.server(), TlsSide::Server), tls_limits, {},
                              [this](const std::string&, const Error& why) {
                                failures.push_back(why.message);
                              }));
    endpoint = "tls://127.0.0.1:" + std::to_string(server.tls_port());
  }

  Result<std::shared_ptr<Client>> connect_with(const TlsFiles& files,
                                               std::chrono::milliseconds timeout = 30s) {
    return await(Client::connect(io, endpoint, load(files, TlsSide::Client), timeout));
  }

  /// What a call says, or what connect or call fails with.
  std::string answer(const TlsFiles& files) {
    auto client = connect_with(files);
    if (!client) return client.error().message;
    auto reply = await((*client)->call_raw("test.Service", "Who", "", 30s));
    return reply ? *reply : reply.error().message;
  }

  /// A bare TCP connection to the port.
  RawPeer plain() {
    Fd socket = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(server.tls_port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    return RawPeer(std::move(socket));
  }

  TestCa ca;
  std::string endpoint;
  std::vector<std::string> failures;
};

// begin() starts a call later: what it refers to must live until then.
const std::string kService = "test.Service";
const std::string kEcho = "Echo";
const std::string kWait = "Wait";

bool has(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a certified client is served, and its roles are known", "[tls]") {
  TlsRig rig;
  CHECK(rig.answer(rig.ca.client("reader")) == "certified reader");
  CHECK(rig.answer(rig.ca.issue({"both", "URI:tariff:role/reader,URI:tariff:role/admin"})) ==
        "certified reader admin");
  CHECK(rig.answer(rig.ca.issue({"none", "DNS:reader,URI:https://tariff:role/reader"})) ==
        "certified");
  CHECK(rig.server.tls_stats().completed == 3);
}

TEST_CASE("a client is refused for what is wrong with its certificate, and told so", "[tls]") {
  TlsRig rig;
  TestCa other;
  const auto refused = [&](TlsFiles files) {
    files.ca = rig.ca.path("ca.crt");
    return rig.answer(files);
  };
  CHECK(has(refused(rig.ca.issue({"late", "", -7200, -3600})), "our certificate has expired"));
  CHECK(has(refused(rig.ca.issue({"early", "", 3600, 7200})), "not yet valid"));
  CHECK(has(refused(rig.ca.issue({"own", "", -60, 60, true})), "CA that it does not know"));
  CHECK(has(refused(other.client("admin")), "CA that it does not know"));
  CHECK(has(refused(rig.ca.issue({"purpose", "", -60, 60, false, "serverAuth"})),
            "not made for this end"));
  CHECK(rig.until([&] { return rig.failures.size() == 5; }));
  CHECK(has(rig.failures[0], "the client's certificate has expired"));
  CHECK(has(rig.failures[1], "not yet valid"));
  CHECK(has(rig.failures[2], "self-signed"));
  CHECK(has(rig.failures[3], "unknown CA"));
  CHECK(has(rig.failures[4], "not made for this end"));
  CHECK(rig.server.connections() == 0);
  CHECK(rig.server.tls_stats().failed == 5);
}

TEST_CASE("a server is refused for what is wrong with its certificate", "[tls]") {
  TlsRig rig;
  TestCa other;
  const auto client = rig.ca.client("reader");
  const auto with = [&](const TlsFiles& files) {
    rig.server.use_tls(load(files, TlsSide::Server));
    return rig.answer(client);
  };
  const std::string name = "DNS:localhost,IP:127.0.0.1";
  CHECK(has(with(rig.ca.issue({"late", name, -7200, -3600})), "server's certificate has expired"));
  CHECK(has(with(rig.ca.issue({"early", name, 3600, 7200})), "is not yet valid"));
  CHECK(has(with(rig.ca.issue({"other", "DNS:elsewhere"})), "for another name or address"));
  CHECK(has(with(rig.ca.issue({"own", name, -60, 60, true})), "is self-signed"));
  CHECK(has(with(other.server()), "is of an unknown CA"));
  CHECK(with(rig.ca.server("again")) == "certified reader");
}

TEST_CASE("a revoked certificate is refused, and its neighbours are not", "[tls]") {
  TlsRig rig;
  const auto good = rig.ca.client("reader");
  const auto bad = rig.ca.client("admin");
  auto files = rig.ca.server("strict");
  files.crl = rig.ca.revoke(bad.certificate);
  rig.server.use_tls(load(files, TlsSide::Server));
  CHECK(rig.answer(good) == "certified reader");
  CHECK(has(rig.answer(bad), "revoked"));
}

TEST_CASE("new certificates are taken without a dropped connection", "[tls]") {
  TlsRig rig;
  const auto files = rig.ca.client("reader");
  auto before = rig.connect_with(files);
  REQUIRE(before);
  const auto under_way = rig.begin((*before)->call_raw(kService, kWait, "slow", 30s));
  REQUIRE(rig.until([&] { return rig.waiting == 1; }));

  TestCa next;
  rig.server.use_tls(load(next.server(), TlsSide::Server));
  CHECK(has(rig.answer(files), "unknown CA"));
  CHECK(rig.answer(next.client("placer")) == "certified placer");

  rig.gate.open();
  REQUIRE(rig.until([&] { return under_way->has_value(); }));
  CHECK(***under_way == "slow");
  auto again = rig.await((*before)->call_raw("test.Service", "Who", "", 30s));
  REQUIRE(again);
  CHECK(*again == "certified reader");
}

TEST_CASE("large answers and requests pass, and many calls at once", "[tls]") {
  TlsRig rig;
  auto client = rig.connect_with(rig.ca.client("reader"));
  REQUIRE(client);
  const auto big = rig.await((*client)->call_raw("test.Service", "Big", "4000000", 30s));
  REQUIRE(big);
  CHECK(big->size() == 4'000'000);
  const std::string payload(3'000'000, 'y');
  const auto echo = rig.await((*client)->call_raw("test.Service", "Echo", payload, 30s));
  REQUIRE(echo);
  CHECK(*echo == payload);
  std::vector<std::shared_ptr<std::optional<Result<std::string>>>> calls;
  for (int i = 0; i < 100; ++i)
    calls.push_back(rig.begin((*client)->call_raw(kService, kEcho, std::to_string(i), 30s)));
  for (int i = 0; i < 100; ++i) {
    REQUIRE(rig.until([&] { return calls[static_cast<std::size_t>(i)]->has_value(); }));
    const auto& answer = **calls[static_cast<std::size_t>(i)];
    INFO((answer ? std::string() : answer.error().message));
    REQUIRE(answer);
    CHECK(*answer == std::to_string(i));
  }
}

TEST_CASE("what is not TLS 1.3 with a certificate is ended", "[tls]") {
  TlsRig rig;
  const auto ends_with = [&](RawPeer peer, const std::string& sent, const std::string& reason) {
    const auto before = rig.failures.size();
    REQUIRE(peer.send(sent));
    REQUIRE(rig.until([&] { return peer.ended() && rig.failures.size() > before; }));
    return has(rig.failures.back(), reason);
  };
  CHECK(ends_with(rig.plain(), request_bytes(1, "Echo", "hello"), "does not speak TLS"));
  CHECK(ends_with(rig.plain(), "GET / HTTP/1.1\r\n\r\n", "does not speak TLS"));
  // A ClientHello of TLS 1.1: record 3.1, handshake version 3.2, one cipher, nothing else.
  std::string hello = std::string("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02", 11) +
                      std::string(32, 'r') + std::string("\x00\x00\x02\x00\x2f\x01\x00", 7);
  CHECK(ends_with(rig.plain(), hello, "no TLS 1.3"));

  // A client that shows no certificate.
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             SSL_CTX_free);
  const std::unique_ptr<SSL, void (*)(SSL*)> anonymous(SSL_new(context.get()), SSL_free);
  RawPeer peer = rig.plain();
  SSL_set_fd(anonymous.get(), peer.get());
  CHECK(SSL_connect(anonymous.get()) == 1);  // the server judges behind it
  char byte = 0;
  CHECK(SSL_read(anonymous.get(), &byte, 1) <= 0);
  REQUIRE(rig.until([&] { return rig.failures.size() == 4; }));
  CHECK(has(rig.failures[3], "shows no certificate"));
}

TEST_CASE("a server that does not speak TLS is named as such", "[tls]") {
  ServerRig rig;
  TestCa ca;
  REQUIRE(rig.server.listen_tcp("127.0.0.1:0"));
  const auto endpoint = "tls://127.0.0.1:" + std::to_string(rig.server.tcp_port());
  // The server reads the ClientHello as a header that announces 369 MiB, answers, and closes.
  const auto client = rig.await(
      Client::connect(rig.io, endpoint, load(ca.client("reader"), TlsSide::Client), 30s));
  REQUIRE_FALSE(client);
  CHECK(has(client.error().message, "does not speak TLS"));
}

TEST_CASE("silent and slow strangers are ended by the deadline, and are few", "[tls]") {
  TlsLimits limits;
  limits.max_handshakes = 8;
  limits.max_handshakes_per_address = 6;
  limits.handshake_deadline = 300ms;
  TlsRig rig(limits);
  std::vector<RawPeer> strangers;
  for (int i = 0; i < 20; ++i) strangers.push_back(rig.plain());
  REQUIRE(rig.until([&] { return rig.server.tls_stats().refused == 14; }));
  const auto begin = std::chrono::steady_clock::now();
  char drip = '\x16';
  REQUIRE(rig.until([&] {
    if (drip != 0) (void)strangers[0].send({&drip, 1});
    drip = 0;
    return std::all_of(strangers.begin(), strangers.end(), [](auto& one) { return one.ended(); });
  }));
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
  CHECK(rig.server.tls_stats().handshaking == 0);
  CHECK(has(rig.failures.back(), "no handshake in time"));
  CHECK(rig.answer(rig.ca.client("reader")) == "certified reader");
}

TEST_CASE("handshakes begin at a rate", "[tls]") {
  TlsLimits limits;
  limits.handshakes_per_second = 20;
  limits.handshake_burst = 2;
  TlsRig rig(limits);
  const auto files = rig.ca.client("reader");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 6; ++i) CHECK(rig.answer(files) == "certified reader");
  // Two at once, four at 50 ms each.
  CHECK(std::chrono::steady_clock::now() - begin >= 190ms);
}

TEST_CASE("remote peers leave a quarter of the connections to local ones", "[tls]") {
  ServerLimits limits;
  limits.max_connections = 8;
  TlsRig rig({}, limits);
  const auto files = rig.ca.client("reader");
  std::vector<std::shared_ptr<Client>> clients;
  for (int i = 0; i < 6; ++i) {
    auto client = rig.connect_with(files);
    REQUIRE(client);
    REQUIRE(rig.await((*client)->call_raw("test.Service", "Who", "", 30s)));
    clients.push_back(*client);
  }
  CHECK(has(rig.answer(files), "too many connections"));
  Peer member;
  member.local = true;
  member.uid = 1'000;
  auto pair = socket_pair();
  REQUIRE(rig.server.adopt(std::move(pair.there), member));
  RawPeer local(std::move(pair.here));
  CHECK(rig.serves(local, 1));
  CHECK(rig.await(clients[0]->call_raw("test.Service", "Who", "", 30s)));
}

TEST_CASE("a TLS peer that never reads loses its connection, and nobody else anything", "[tls]") {
  ServerLimits limits;
  limits.write_deadline = 300ms;
  TlsRig rig({}, limits);
  const auto files = rig.ca.client("reader");
  const auto context = load(files, TlsSide::Client);
  const std::unique_ptr<SSL, void (*)(SSL*)> deaf(SSL_new(context->native().native_handle()),
                                                  SSL_free);
  RawPeer peer = rig.plain();
  SSL_set_fd(deaf.get(), peer.get());
  REQUIRE(SSL_connect(deaf.get()) == 1);
  for (unsigned i = 0; i < 8; ++i) {
    const auto request = request_bytes(2 * i + 1, "Big", "4000000");
    REQUIRE(SSL_write(deaf.get(), request.data(), static_cast<int>(request.size())) > 0);
  }
  REQUIRE(rig.until([&] { return rig.server.connections() == 1; }));
  REQUIRE(rig.until([&] { return rig.server.connections() == 0; }));
  CHECK(rig.answer(files) == "certified reader");
}

TEST_CASE("a rule decides who may call what", "[tls]") {
  TlsRig rig;
  rig.server.authorise_by([](const Peer& peer, const std::string&, const std::string& method) {
    if (peer.certified && method == "Echo")
      return Status(Error{ErrorKind::PermissionDenied, "Echo is not for you", {}});
    return ok();
  });
  auto client = rig.connect_with(rig.ca.client("reader"));
  REQUIRE(client);
  const auto refused = rig.await((*client)->call_raw("test.Service", "Echo", "x", 30s));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::PermissionDenied);
  CHECK(rig.await((*client)->call_raw("test.Service", "Who", "", 30s)));
}

TEST_CASE("a server with TLS stops and leaves nothing", "[tls]") {
  auto rig = std::make_unique<TlsRig>();
  auto client = rig->connect_with(rig->ca.client("reader"));
  REQUIRE(client);
  REQUIRE(rig->await((*client)->call_raw("test.Service", "Who", "", 30s)));
  RawPeer stranger = rig->plain();
  rig->await(rig->server.stop(1s));
  CHECK(rig->until([&] { return !(*client)->connected(); }));
  CHECK(rig->until([&] { return stranger.ended(); }));
  CHECK(rig->until([&] { return rig->server.tls_stats().connected == 0; }));
}

TEST_CASE("files are checked before they are used", "[tls]") {
  TestCa ca;
  const auto good = ca.server();
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  const auto first = [&](const TlsFiles& files) {
    const auto problems = check_tls_files(files, TlsSide::Server, now);
    if (problems.empty()) return std::string();
    return std::string(problems[0].file) + (problems[0].error ? " error: " : " warning: ") +
           problems[0].message;
  };
  CHECK(first(good).empty());
  auto files = good;
  files.key = ca.client("reader").key;
  CHECK(has(first(files), "key error: the key"));
  CHECK(has(first(files), "is not the key of the certificate"));
  files = good;
  files.certificate = "/nowhere/server.crt";
  CHECK(has(first(files), "certificate error: cannot read the file /nowhere/server.crt"));
  files = good;
  files.ca = good.key;
  CHECK(has(first(files), "ca error: the CA certificate"));
  files = good;
  files.crl = good.certificate;
  CHECK(has(first(files), "crl error: the revocation list"));
  files = good;
  files.certificate = "/dev/null";
  CHECK(has(first(files), "is not a regular file"));
  CHECK(has(first(ca.issue({"old", "", -7200, -3600})), "certificate warning: the certificate"));
  CHECK(has(first(ca.issue({"new", "", 3600, 7200})), "is valid only from"));
  const auto open = ca.server("open");
  REQUIRE(::chmod(open.key.c_str(), 0644) == 0);
  CHECK(has(first(open), "key warning"));
}

TEST_CASE("TLS endpoints are names or addresses with a port", "[tls]") {
  TlsRig rig;
  const auto reason = [&](const std::string& endpoint) {
    auto client = rig.await(
        Client::connect(rig.io, endpoint, load(rig.ca.client("reader"), TlsSide::Client), 30s));
    return client ? std::string("connected") : client.error().message;
  };
  CHECK(reason("tls://localhost:" + std::to_string(rig.server.tls_port())) == "connected");
  for (const char* bad : {"tls://", "tls://:1", "tls://host", "tls://host:", "tls://host:http",
                          "tls://::1:7443", "tls://[]:1"})
    CHECK(has(reason(bad), "is not tls://HOST:PORT"));
  CHECK(has(reason("tls://127.0.0.1:1"), "Connection refused"));
}
