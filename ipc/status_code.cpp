// SPDX-License-Identifier: Apache-2.0
#include "ipc/status_code.h"

#include <array>

namespace tariff::ipc {
namespace {

constexpr std::size_t kLongestMessage = 4'096;

/// Length of the well-formed sequence at the start of `text` (Unicode table 3-7), 0 if there is
/// none.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  // Shortest form only, no surrogates, nothing above U+10FFFF: all decided by the second byte.
  const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  return length;
}

}  // namespace

std::int32_t code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Cancelled: return 1;
    case ErrorKind::Unknown: return 2;
    case ErrorKind::InvalidArgument: return 3;
    case ErrorKind::DeadlineExceeded: return 4;
    case ErrorKind::NotFound: return 5;
    case ErrorKind::AlreadyExists: return 6;
    case ErrorKind::PermissionDenied: return 7;
    case ErrorKind::ResourceExhausted: return 8;
    case ErrorKind::FailedPrecondition: return 9;
    case ErrorKind::Internal: return 13;
    case ErrorKind::Unavailable: return 14;
  }
  return 2;
}

ErrorKind kind_of(std::int32_t code) {
  switch (code) {
    case 1: return ErrorKind::Cancelled;
    case 3: return ErrorKind::InvalidArgument;
    case 4: return ErrorKind::DeadlineExceeded;
    case 5: return ErrorKind::NotFound;
    case 6: return ErrorKind::AlreadyExists;
    case 7: return ErrorKind::PermissionDenied;
    case 8: return ErrorKind::ResourceExhausted;
    case 9: return ErrorKind::FailedPrecondition;
    // UNIMPLEMENTED has no kind of its own: the other side is older or not an agent, and no
    // retry mends that.
    case 12: return ErrorKind::FailedPrecondition;
    case 13: return ErrorKind::Internal;
    case 14: return ErrorKind::Unavailable;
    default: return ErrorKind::Unknown;
  }
}

std::string_view code_name(std::int32_t code) {
  static constexpr std::array<std::string_view, 17> kNames = {
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
      "UNAUTHENTICATED"};
  if (code < 0 || code >= static_cast<std::int32_t>(kNames.size())) return "UNKNOWN";
  return kNames[static_cast<std::size_t>(code)];
}

std::string as_utf8(std::string text) {
  if (text.size() > kLongestMessage) text.resize(kLongestMessage);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(std::string_view(text).substr(i));
    if (length == 0) text[i] = '?';
    i += length == 0 ? 1 : length;
  }
  return text;
}

}  // namespace tariff::ipc
