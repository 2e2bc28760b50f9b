// SPDX-License-Identifier: Apache-2.0
// Connection: packets with descriptors over a SOCK_SEQPACKET socket, without ever blocking.
// A peer that does not read fills a bounded queue and is then dropped: the agent reconnects and
// lists, which is cheaper than a launcher that waits for it.
// Threading: the main thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "launcher/loop.h"

namespace tariff::launcher {

class StateWriter;
namespace state {
class Connection;
}

class Connection {
 public:
  struct Packet {
    std::string bytes;
    Fd attached;  ///< at most one descriptor travels with a packet
  };
  using OnPacket = std::function<void(Packet)>;
  using OnClosed = std::function<void(const char* why)>;

  /// Takes over a connected non-blocking socket. Neither handler is called by the constructor or
  /// by send(); a handler may destroy the connection.
  Connection(Loop& loop, Fd socket, OnPacket on_packet, OnClosed on_closed);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// `attached` travels with it; pass a duplicate to keep one.
  void send(std::string bytes, Fd attached = {});

  /// Its socket and what waits to be sent.
  void save(state::Connection& message, StateWriter& state) const;

 private:
  static constexpr std::size_t kLargestPacket = 256 << 10;
  static constexpr std::size_t kQueueBytes = 16 << 20;  // 4,096 records of 1 KiB, and room
  static constexpr int kPacketsPerTurn = 32;

  void ready(std::uint32_t events);
  bool read_one();
  void flush();
  /// 1 sent, 0 would block, -1 broken.
  int try_send(const std::string& bytes, int attached);
  void break_later(const char* why);

  Loop& loop_;
  Fd socket_;
  OnPacket on_packet_;
  OnClosed on_closed_;
  std::deque<Packet> queue_;
  std::size_t queued_bytes_ = 0;
  const char* broken_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false: a handler destroyed us
};

}  // namespace tariff::launcher
