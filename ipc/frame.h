// SPDX-License-Identifier: Apache-2.0
// The ttrpc frame: a 10-byte header, all integers big-endian, and what may stand in it.
//
//   0..3  length of the data that follows     4..7  stream id     8  type     9  flags
//
// There is no preface, version, ping or cancel. The client starts streams, with odd ids that rise.
// A flag names the receiver's view: the sender sets "remote closed" when it will send no more.
// Threading: plain values and pure functions. Errors: verdicts; nothing here can fail otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tariff::ipc {

inline constexpr std::size_t kHeaderBytes = 10;

/// ttrpc's own maximum of a frame's data: 4 MiB. Exactly so much is allowed.
inline constexpr std::uint32_t kMaxDataBytes = 4U << 20;

/// A longer frame is read and thrown away, so that the connection can go on, up to this length.
/// Beyond it the peer is no ttrpc client that misjudged a message; reading 4 GiB for it would be
/// the attack itself, so the connection is closed. 16 times the maximum, ours.
inline constexpr std::uint32_t kMaxDiscardBytes = 64U << 20;

enum class FrameType : std::uint8_t { Request = 1, Response = 2, Data = 3 };

inline constexpr std::uint8_t kRemoteClosed = 0x01;  ///< the sender sends nothing more
inline constexpr std::uint8_t kRemoteOpen = 0x02;    ///< the sender will send Data
inline constexpr std::uint8_t kNoData = 0x04;        ///< carries no message, not even an empty one

/// `type` stays a number: unknown types must be ignored, so they must be representable.
struct FrameHeader {
  std::uint32_t length = 0;  ///< of the data, without the header
  std::uint32_t stream = 0;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;

  [[nodiscard]] bool is(FrameType which) const {
    return type == static_cast<std::uint8_t>(which);
  }
  bool operator==(const FrameHeader&) const = default;
};

using HeaderBytes = std::array<std::uint8_t, kHeaderBytes>;

[[nodiscard]] HeaderBytes encode(const FrameHeader& header);
[[nodiscard]] FrameHeader decode(std::span<const std::uint8_t, kHeaderBytes> bytes);

/// What to do with a frame of this length.
enum class LengthVerdict {
  Take,     ///< within the limit
  Discard,  ///< too long: read it away, answer RESOURCE_EXHAUSTED, go on
  HangUp,   ///< absurd: answer and close
};
[[nodiscard]] LengthVerdict judge_length(std::uint32_t length, std::size_t max_data_bytes);

/// Go's words for a frame over the limit; clients compare them.
[[nodiscard]] std::string oversize_message(std::uint64_t length, std::size_t max_data_bytes);

/// The server's memory of one connection's stream ids.
class StreamIdCheck {
 public:
  enum class Verdict { Fresh, Even, Reused };

  /// Judges the id of a Request and, if it is fresh, remembers it.
  [[nodiscard]] Verdict admit(std::uint32_t stream);
  [[nodiscard]] static bool is_even(std::uint32_t stream) { return stream % 2 == 0; }

 private:
  std::uint32_t last_ = 0;
};

/// The client's source of stream ids: 1, 3, 5, ... Empty once they are used up (2^31 calls); the
/// client then has to connect anew, since an id is never used twice.
class StreamIdSource {
 public:
  StreamIdSource() = default;
  explicit StreamIdSource(std::uint32_t first) : next_(first) {}
  [[nodiscard]] std::optional<std::uint32_t> next();

 private:
  std::uint64_t next_ = 1;
};

}  // namespace tariff::ipc
