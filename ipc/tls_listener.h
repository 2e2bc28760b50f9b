// SPDX-License-Identifier: Apache-2.0
// The TLS side of a server: a thread that accepts TCP connections, does their handshakes and relays
// what follows to local sockets, which the server then serves like any other connection, with a
// Peer that holds what the certificate said.
//
// Why a thread of its own: a handshake costs a signature, two or more verifications and a key
// agreement, and anybody who can reach the port can ask for one. Here it delays other remote peers
// at most, and these only within the bounds below; the server's loop never waits for it.
//
// Bounds against strangers: handshakes at once, in all and from one address, each with a deadline;
// handshakes a second, after a burst; what is over a bound is closed before a byte is read. Beyond
// the handshake stands only who has a certificate, and the server's own bounds hold.
// Threading: called from the server's thread; callbacks run on the server's io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/server.h"
#include "ipc/tls.h"

namespace tariff::ipc {

class TlsListener {
 public:
  struct Events {
    /// A peer has shown its certificate; `connected` carries plain bytes.
    std::function<void(Fd connected, Peer peer)> on_connected;
    /// A handshake failed. Called for each: whoever logs it has to limit it.
    std::function<void(const std::string& where, const Error& why)> on_failed;
  };

  TlsListener(boost::asio::io_context& server, TlsLimits limits, Events events);
  ~TlsListener();  ///< cuts what is left and ends the thread
  TlsListener(const TlsListener&) = delete;
  TlsListener& operator=(const TlsListener&) = delete;

  /// Starts the thread. `thread_began` is its first act, for priority and name.
  void start(Fd listener, std::shared_ptr<TlsContext> context, std::function<void()> thread_began);
  /// For connections from now on.
  void use(std::shared_ptr<TlsContext> context);
  /// Accepts no more and gives up handshakes; relays go on until their local ends are closed.
  void stop_accepting();
  [[nodiscard]] TlsStats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tariff::ipc
