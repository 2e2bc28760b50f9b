// SPDX-License-Identifier: Apache-2.0
#include "ipc/frame.h"

#include <limits>

namespace tariff::ipc {
namespace {

void put_u32(std::uint8_t* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

std::uint32_t get_u32(const std::uint8_t* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = (value << 8) | at[i];
  return value;
}

}  // namespace

HeaderBytes encode(const FrameHeader& header) {
  HeaderBytes bytes{};
  put_u32(bytes.data(), header.length);
  put_u32(bytes.data() + 4, header.stream);
  bytes[8] = header.type;
  bytes[9] = header.flags;
  return bytes;
}

FrameHeader decode(std::span<const std::uint8_t, kHeaderBytes> bytes) {
  return {get_u32(bytes.data()), get_u32(bytes.data() + 4), bytes[8], bytes[9]};
}

LengthVerdict judge_length(std::uint32_t length, std::size_t max_data_bytes) {
  if (length <= max_data_bytes) return LengthVerdict::Take;
  return length <= kMaxDiscardBytes ? LengthVerdict::Discard : LengthVerdict::HangUp;
}

std::string oversize_message(std::uint64_t length, std::size_t max_data_bytes) {
  return "message length " + std::to_string(length) + " exceed maximum message size of " +
         std::to_string(max_data_bytes);
}

StreamIdCheck::Verdict StreamIdCheck::admit(std::uint32_t stream) {
  if (is_even(stream)) return Verdict::Even;
  if (stream <= last_) return Verdict::Reused;
  last_ = stream;
  return Verdict::Fresh;
}

std::optional<std::uint32_t> StreamIdSource::next() {
  if (next_ > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  const auto id = static_cast<std::uint32_t>(next_);
  next_ += 2;
  return id;
}

}  // namespace tariff::ipc
