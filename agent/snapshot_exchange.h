// SPDX-License-Identifier: Apache-2.0
// Hands the newest of a series of values from one thread to another. Neither waits for the other:
// no lock, so that a thread of ordinary priority that is starved in the middle cannot hold up the
// agent's loop. The writer alone changes the values and their memory; the reader only reads, since
// freeing what the other thread allocated would share a lock inside malloc.
//
//   writer:  fill(exchange.back()); exchange.publish();
//   reader:  const T& newest = exchange.newest();     // unchanged until the next newest()
//
// One writer and one reader thread.
#pragma once

#include <array>
#include <atomic>

namespace tariff::agent {

template <typename T>
class SnapshotExchange {
 public:
  T& back() { return slots_[back_]; }
  void publish() { back_ = between_.exchange(back_ | kFresh) & kSlot; }

  const T& newest() {
    if ((between_.load() & kFresh) != 0) front_ = between_.exchange(front_) & kSlot;
    return slots_[front_];
  }

 private:
  static constexpr unsigned kSlot = 3;
  static constexpr unsigned kFresh = 4;
  std::array<T, 3> slots_{};
  unsigned back_ = 0;                ///< the writer's
  unsigned front_ = 1;               ///< the reader's
  std::atomic<unsigned> between_{2}; ///< the one that changes hands
};

}  // namespace tariff::agent
