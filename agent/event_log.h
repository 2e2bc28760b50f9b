// SPDX-License-Identifier: Apache-2.0
// The last events of jobs, kept once for everybody who watches. Each reader has a place in it; one
// that falls behind by more than the log holds loses the oldest, and is told how many. So a reader
// that never reads costs a few bytes, and a thousand of them no more than one log.
//
// Pure: time, sockets and protobuf are the caller's. Threading: one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tariff::agent {

class EventLog {
 public:
  /// Holds at most `most` events; without readers none.
  explicit EventLog(std::size_t most = kMost) : most_(most) {}
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  struct Next {
    std::string body;          ///< empty: the reader's events are lost and no later one is here
    std::uint64_t missed = 0;  ///< events lost to this reader before this one
  };

  class Reader {
   public:
    /// Reads events from now on: of `job`, or of all jobs if it is empty. `wake` is called from
    /// add() when there is something for next(). The log outlives its readers.
    Reader(EventLog& log, std::string job, std::function<void()> wake);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    /// The oldest event that it has not taken; empty: it has taken all.
    std::optional<Next> next();

   private:
    friend class EventLog;
    EventLog& log_;
    const std::string job_;
    const std::function<void()> wake_;
    std::uint64_t position_ = 0;  ///< number of an event not after the first one not taken
    std::uint64_t pending_ = 0;   ///< events for it that it has not taken, here or lost
  };

  /// Whether somebody reads events of that job.
  [[nodiscard]] bool is_read(const std::string& job) const;
  void add(const std::string& job, std::string body);
  [[nodiscard]] std::size_t size() const { return events_.size(); }

 private:
  // A burst of 4,096 changes while a reader sleeps; about 2 MB of the largest records.
  static constexpr std::size_t kMost = 4'096;
  struct Event {
    std::string job;
    std::string body;
  };

  const std::size_t most_;
  std::deque<Event> events_;
  std::uint64_t first_ = 0;  ///< the number of events_.front()
  std::vector<Reader*> readers_;
};

}  // namespace tariff::agent
