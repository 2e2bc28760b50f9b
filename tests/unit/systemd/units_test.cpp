// SPDX-License-Identifier: Apache-2.0
// A fake system bus: a Unix socket on which sd-bus itself plays the bus and systemd.
#include "systemd/units.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/fd.h"
#include "support/catch.h"

using namespace tariff;
using namespace std::chrono_literals;
using systemd::Units;

namespace {

/// Serves one connection: answers Hello, and everything else through `answer`.
class FakeBus {
 public:
  using Answer = std::function<int(sd_bus_message*)>;

  explicit FakeBus(Answer answer) : answer_(std::move(answer)) {
    char name[] = "/tmp/tariff-test-XXXXXX";
    TARIFF_CHECK(::mkdtemp(name) != nullptr, "no temporary directory");
    directory_ = name;
    listener_ = Fd::adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    TARIFF_CHECK(::bind(listener_.get(), generic, sizeof address) == 0, "cannot bind");
    ::listen(listener_.get(), 1);
    if (answer_) thread_ = std::thread([this] { serve(); });
  }
  FakeBus(const FakeBus&) = delete;
  FakeBus& operator=(const FakeBus&) = delete;
  ~FakeBus() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }

  [[nodiscard]] std::string path() const { return directory_ + "/bus"; }
  [[nodiscard]] Units::Options options(std::chrono::milliseconds timeout = 5s) const {
    return {"unix:path=" + path(), timeout};
  }

 private:
  static int dispatch(sd_bus_message* message, void* self, sd_bus_error*) {
    if (::sd_bus_message_is_method_call(message, "org.freedesktop.DBus", "Hello") > 0)
      return ::sd_bus_reply_method_return(message, "s", ":1.7");
    if (::sd_bus_message_is_method_call(message, nullptr, nullptr) <= 0) return 0;
    return static_cast<FakeBus*>(self)->answer_(message);
  }

  void serve() {
    const int client = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) return;
    sd_bus* bus = nullptr;
    ::sd_bus_new(&bus);
    ::sd_bus_set_fd(bus, client, client);
    sd_id128_t id{};
    id.bytes[0] = 1;
    ::sd_bus_set_server(bus, 1, id);
    ::sd_bus_set_anonymous(bus, 1);
    ::sd_bus_add_filter(bus, nullptr, &dispatch, this);
    ::sd_bus_start(bus);
    int more = 0;
    while ((more = ::sd_bus_process(bus, nullptr)) >= 0)
      if (more == 0 && ::sd_bus_wait(bus, 10'000'000) <= 0) break;
    ::sd_bus_close_unref(bus);
  }

  Answer answer_;
  std::string directory_;
  Fd listener_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("systemd is asked for a unit's cgroup", "[systemd]") {
  FakeBus bus([](sd_bus_message* message) {
    const std::string path = ::sd_bus_message_get_path(message);
    return ::sd_bus_reply_method_return(
        message, "v", "s",
        path == "/org/freedesktop/systemd1/unit/tariff_2djobs_2eservice"
            ? "/tariff.slice/tariff-jobs.service"
            : "");
  });
  auto units = Units::connect(bus.options());
  REQUIRE(units);
  CHECK(*units->control_group("tariff-jobs.service") == "/tariff.slice/tariff-jobs.service");

  const auto stopped = units->control_group("other.service");
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::NotFound);
  CHECK(stopped.error().text() ==
        "unit other.service has no cgroup (it does not exist or is not running: systemctl status "
        "other.service)");
  CHECK(units->control_group("tariff").error().kind == ErrorKind::InvalidArgument);
}

TEST_CASE("properties are set at run time and infinity is spelled systemd's way", "[systemd]") {
  std::string seen;
  FakeBus bus([&seen](sd_bus_message* message) {
    const char* unit = nullptr;
    int runtime = 0;
    ::sd_bus_message_read(message, "sb", &unit, &runtime);
    seen = std::string(::sd_bus_message_get_member(message)) + " " + unit + " " +
           std::to_string(runtime);
    ::sd_bus_message_enter_container(message, 'a', "(sv)");
    const char* name = nullptr;
    std::uint64_t value = 0;
    while (::sd_bus_message_read(message, "(sv)", &name, "t", &value) > 0)
      seen += " " + std::string(name) + "=" + std::to_string(value);
    return ::sd_bus_reply_method_return(message, "");
  });
  auto units = Units::connect(bus.options());
  REQUIRE(units);
  CHECK(units->set_runtime("tariff-jobs.service",
                           {{"MemoryMax", 1'073'741'824}, {"TasksMax", std::nullopt}}));
  CHECK(seen ==
        "SetUnitProperties tariff-jobs.service 1 MemoryMax=1073741824 "
        "TasksMax=18446744073709551615");
}

TEST_CASE("allowed CPUs are a bitmap both ways, and an empty one takes them back", "[systemd]") {
  std::string seen;
  std::vector<std::uint8_t> kept = {0x0d};
  FakeBus bus([&](sd_bus_message* message) {
    if (::sd_bus_message_is_method_call(message, nullptr, "Get") > 0) {
      sd_bus_message* reply = nullptr;
      ::sd_bus_message_new_method_return(message, &reply);
      ::sd_bus_message_open_container(reply, 'v', "ay");
      ::sd_bus_message_append_array(reply, 'y', kept.data(), kept.size());
      ::sd_bus_message_close_container(reply);
      const int sent = ::sd_bus_send(nullptr, reply, nullptr);
      ::sd_bus_message_unref(reply);
      return sent;
    }
    const char* unit = nullptr;
    int runtime = 0;
    const char* name = nullptr;
    const void* bytes = nullptr;
    std::size_t count = 0;
    ::sd_bus_message_read(message, "sb", &unit, &runtime);
    ::sd_bus_message_enter_container(message, 'a', "(sv)");
    ::sd_bus_message_enter_container(message, 'r', "sv");
    ::sd_bus_message_read(message, "s", &name);
    ::sd_bus_message_enter_container(message, 'v', "ay");
    ::sd_bus_message_read_array(message, 'y', &bytes, &count);
    const auto* first = static_cast<const std::uint8_t*>(bytes);
    kept.assign(first, first + count);
    seen = std::string(unit) + " " + std::to_string(runtime) + " " + name;
    return ::sd_bus_reply_method_return(message, "");
  });
  auto units = Units::connect(bus.options());
  REQUIRE(units);
  CHECK(*units->allowed_cpus("system.slice") == std::vector<std::uint8_t>{0x0d});
  for (const std::vector<std::uint8_t>& bitmap : {std::vector<std::uint8_t>{1, 2}, {}}) {
    REQUIRE(units->set_allowed_cpus("system.slice", bitmap));
    CHECK(seen == "system.slice 1 AllowedCPUs");
    CHECK(kept == bitmap);
    CHECK(*units->allowed_cpus("system.slice") == bitmap);
  }
}

TEST_CASE("a unit is started without waiting for it", "[systemd]") {
  std::string seen;
  FakeBus bus([&seen](sd_bus_message* message) {
    const char* unit = nullptr;
    const char* mode = nullptr;
    ::sd_bus_message_read(message, "ss", &unit, &mode);
    seen = std::string(::sd_bus_message_get_member(message)) + " " + unit + " " + mode;
    return ::sd_bus_reply_method_return(message, "o", "/org/freedesktop/systemd1/job/7");
  });
  auto units = Units::connect(bus.options());
  REQUIRE(units);
  CHECK(units->start("tariff-jobs.service"));
  CHECK(seen == "StartUnit tariff-jobs.service replace");
}

TEST_CASE("what systemd refuses is said in its own words", "[systemd]") {
  FakeBus bus([](sd_bus_message* message) {
    return ::sd_bus_reply_method_errorf(message, "org.freedesktop.DBus.Error.InvalidArgs",
                                        "Cannot set property MemoryMx, or unknown property.");
  });
  auto units = Units::connect(bus.options());
  REQUIRE(units);
  const auto result = units->set_runtime("tariff-jobs.service", {{"MemoryMx", 1}});
  REQUIRE_FALSE(result);
  CHECK(result.error().message ==
        "cannot set properties of tariff-jobs.service through systemd: Cannot set property "
        "MemoryMx, or unknown property.");
}

TEST_CASE("a bus that is missing or silent ends in an error within the timeout", "[systemd]") {
  const auto missing = Units::connect({"unix:path=/nonexistent/bus", 5s});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::Unavailable);

  FakeBus silent(nullptr);
  const auto result = Units::connect(silent.options(20ms));
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::DeadlineExceeded);
}
