// SPDX-License-Identifier: Apache-2.0
#include "config/function_version.h"

#include <cstdint>
#include <string_view>

namespace tariff::config {
namespace {

/// FNV-1a (Fowler, Noll, Vo), 64 bits: offset basis and prime are the algorithm's.
class Digest {
 public:
  void byte(unsigned char value) { hash_ = (hash_ ^ value) * 0x100000001b3ull; }

  void number(std::uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8)
      byte(static_cast<unsigned char>(value >> shift & 0xff));
  }

  void text(std::string_view value) {
    number(value.size());
    for (const char c : value) byte(static_cast<unsigned char>(c));
  }

  /// A number that may be absent: 0 alone, or 1 and the number.
  template <typename Optional, typename Count>
  void optional(const Optional& value, Count count) {
    byte(value ? 1 : 0);
    if (value) number(static_cast<std::uint64_t>(count(*value)));
  }

  [[nodiscard]] std::string hexadecimal() const {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string out;
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[hash_ >> shift & 15];
    return out;
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ull;
};

}  // namespace

std::string function_version(const Function& function) {
  const auto milliseconds = [](std::chrono::milliseconds time) { return time.count(); };
  const auto same = [](std::uint64_t value) { return value; };
  Digest digest;
  digest.text(function.name);
  digest.number(function.argv.size());
  for (const auto& argument : function.argv) digest.text(argument);
  digest.text(function.price_class);
  digest.text(function.owner);
  digest.number(function.env.size());
  for (const auto& [name, value] : function.env) {
    digest.text(name);
    digest.text(value);
  }
  digest.text(function.working_directory);
  digest.optional(function.timeout, milliseconds);
  digest.optional(function.cpu_timeout, milliseconds);
  digest.optional(function.memory_max_bytes, same);
  digest.number(function.pids_max);
  digest.number(function.result_max_bytes);
  return digest.hexadecimal();
}

}  // namespace tariff::config
