// SPDX-License-Identifier: Apache-2.0
// Bytes written as hexadecimal text, for golden frames. Blanks are for the reader.
#pragma once

#include <string>
#include <string_view>

namespace tariff::test {

inline std::string from_hex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

// Frames as containerd's Go implementation writes them.
inline constexpr std::string_view kUnaryRequest =
    "0000003f0000000101000a1874747270632e6578616d706c652e76312e4578616d706c6512074d6574686f6431"
    "1a050a03616263208094ebdc032a0d0a05636c617373120468696768";
inline constexpr std::string_view kUnknownMethodRequest =
    "000000200000000301000a1874747270632e6578616d706c652e76312e4578616d706c6512044e6f7065";
inline constexpr std::string_view kResponseGo = "00000007000000010200 12050a03616263";
inline constexpr std::string_view kResponseRust = "00000009000000010200 0a0012050a03616263";
inline constexpr std::string_view kResponseUnimplemented =
    "00000011000000030200 0a0f080c120b6d6574686f64204e6f7065";
inline constexpr std::string_view kResponseExhausted =
    "00000043000000050200 0a410808123d6d657373616765206c656e6774682034313934333035206578636565642"
    "06d6178696d756d206d6573736167652073697a65206f662034313934333034";
inline constexpr std::string_view kDataOneMessage = "00000005000000050300 0a03616263";
inline constexpr std::string_view kDataEnd = "00000000000000050305";

}  // namespace tariff::test
