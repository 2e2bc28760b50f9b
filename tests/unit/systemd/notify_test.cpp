// SPDX-License-Identifier: Apache-2.0
// A fake service manager: a datagram socket in a temporary directory, named by NOTIFY_SOCKET.
#include "systemd/notify.h"

#include <unistd.h>

#include <cstdlib>

#include "datagram_server.h"
#include "support/catch.h"

using namespace tariff;
using namespace std::chrono_literals;

TEST_CASE("a daemon without a service manager notifies nobody and succeeds", "[systemd]") {
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  CHECK(systemd::notify_ready("x"));
  CHECK(systemd::notify_stopping());
  const auto interval = systemd::watchdog_interval();
  REQUIRE(interval);
  CHECK_FALSE(interval->has_value());
}

TEST_CASE("a service manager hears each notification", "[systemd]") {
  DatagramServer manager;
  ::setenv("NOTIFY_SOCKET", manager.path().c_str(), 1);

  CHECK(systemd::notify_ready("5 classes, 0 jobs"));
  CHECK(manager.receive() == "READY=1\nSTATUS=5 classes, 0 jobs");
  CHECK(systemd::notify_status("draining\nMAINPID=1"));
  CHECK(manager.receive() == "STATUS=draining MAINPID=1");
  CHECK(systemd::notify_reloading(std::chrono::steady_clock::time_point(1234567us)));
  CHECK(manager.receive() == "RELOADING=1\nMONOTONIC_USEC=1234567");
  CHECK(systemd::notify_watchdog());
  CHECK(manager.receive() == "WATCHDOG=1");
  CHECK(systemd::notify_stopping());
  CHECK(manager.receive() == "STOPPING=1");
  ::unsetenv("NOTIFY_SOCKET");
}

TEST_CASE("a service manager that is gone is an error, not a crash", "[systemd]") {
  ::setenv("NOTIFY_SOCKET", "/nonexistent/notify.sock", 1);
  const auto result = systemd::notify_ready("x");
  ::unsetenv("NOTIFY_SOCKET");
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find("cannot tell the service manager 'ready'") == 0);
}

TEST_CASE("the watchdog interval is the manager's, for this process only", "[systemd]") {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const auto ours = systemd::watchdog_interval();
  REQUIRE(ours);
  CHECK(*ours == std::optional(std::chrono::microseconds(30s)));

  ::setenv("WATCHDOG_PID", std::to_string(::getpid() + 1).c_str(), 1);
  CHECK_FALSE(systemd::watchdog_interval()->has_value());

  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "soon", 1);
  CHECK_FALSE(systemd::watchdog_interval());
  ::unsetenv("WATCHDOG_USEC");
}
