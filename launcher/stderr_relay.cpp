// SPDX-License-Identifier: Apache-2.0
#include "launcher/stderr_relay.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "launcher/state.h"

namespace tariff::launcher {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kPipeBytes = 64 << 10;  // a pipe's default size: one splice empties it
constexpr int kInfo = 6, kWarning = 4;        // syslog(3)

int dev_null() {
  static const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  return fd;
}

}  // namespace

StderrRelay::StderrRelay(Fd pipe, Journal& journal, JournalFields fields,
                         std::uint64_t bytes_per_second, Nanos now)
    : pipe_(std::move(pipe)), journal_(journal), fields_(std::move(fields)),
      bucket_(bytes_per_second, now) {}

StderrRelay::StderrRelay(const state::Stderr& saved, Journal& journal, Nanos now)
    : pipe_(take_over(saved.pipe())), journal_(journal),
      fields_(std::make_shared<const std::string>(saved.fields())),
      bucket_(saved.bytes_per_second(), now), bytes_(saved.bytes()), dropped_(saved.dropped()),
      said_dropping_(saved.said_dropping()) {
  lines_.set_rest(saved.unfinished_line());
}

void StderrRelay::save(state::Stderr& message, StateWriter& state) const {
  message.set_pipe(state.hand_over(pipe_));
  message.set_fields(*fields_);
  message.set_unfinished_line(lines_.rest());
  message.set_bytes_per_second(bucket_.per_second());
  message.set_bytes(bytes_);
  message.set_dropped(dropped_);
  message.set_said_dropping(said_dropping_);
}

void StderrRelay::relay(std::string_view line) {
  if (!journal_.push(fields_, line, kInfo)) dropped_ += line.size() + 1;
}

StderrRelay::Next StderrRelay::read(Nanos now) {
  char buffer[kReadBytes];
  for (;;) {
    const std::size_t allowed =
        std::min<std::uint64_t>(bucket_.available(now), sizeof buffer);
    if (allowed == 0) return Next::Interval;
    const ssize_t count = ::read(pipe_.get(), buffer, allowed);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN ? Next::Readable : Next::Closed;
    if (count == 0) return Next::Closed;
    const auto size = static_cast<std::size_t>(count);
    bucket_.take(size);
    bytes_ += size;
    lines_.feed({buffer, size}, [this](std::string_view line) { relay(line); });
    // One turn per call: another job's exit must not wait for a flood.
    if (size == sizeof buffer) return Next::Readable;
  }
}

/// True if the pipe is at its end.
bool StderrRelay::drop_all() {
  const ssize_t count = ::splice(pipe_.get(), nullptr, dev_null(), nullptr, kPipeBytes,
                                 SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (count <= 0) return count == 0;
  bytes_ += static_cast<std::uint64_t>(count);
  dropped_ += static_cast<std::uint64_t>(count);
  lines_.flush([this](std::string_view line) { relay(line); });
  if (!said_dropping_) relay("[stderr is over its rate: the rest is dropped until it slows down]");
  said_dropping_ = true;
  return false;
}

StderrRelay::Next StderrRelay::read_and_drop(Nanos now) {
  const Next next = read(now);
  if (next != Next::Interval) return next;
  return drop_all() ? Next::Closed : Next::Interval;
}

void StderrRelay::finish(Nanos now) {
  Next next = Next::Readable;
  // All writers are gone, so the pipe holds at most its size; the bounds are for one that is not.
  for (std::size_t turn = 0; turn <= kPipeBytes / kReadBytes && next == Next::Readable; ++turn)
    next = read(now);
  for (int turn = 0; turn < 2 && next == Next::Interval && !drop_all(); ++turn) {}
  lines_.flush([this](std::string_view line) { relay(line); });
  if (dropped_ != 0)
    (void)journal_.push(fields_, "[" + std::to_string(dropped_) + " bytes of stderr dropped]",
                        kWarning);
  pipe_.reset();
}

}  // namespace tariff::launcher
