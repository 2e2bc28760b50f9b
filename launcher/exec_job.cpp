// SPDX-License-Identifier: Apache-2.0
#include "launcher/exec_job.h"

#include <cstring>

namespace tariff::launcher {
namespace {

struct Head {
  std::uint32_t words = 0;
  std::uint32_t variables = 0;
};

}  // namespace

std::string exec_job_packet(const std::vector<std::string>& words,
                            const std::vector<std::string>& environment) {
  const Head head{static_cast<std::uint32_t>(words.size()),
                  static_cast<std::uint32_t>(environment.size())};
  std::string packet(reinterpret_cast<const char*>(&head), sizeof head);
  for (const auto* list : {&words, &environment})
    for (const auto& text : *list) packet.append(text.c_str(), text.size() + 1);
  return packet;
}

bool split_exec_job(char* bytes, std::size_t size, char** strings, std::size_t room,
                    ExecJob& job) {
  Head head;
  if (size < sizeof head) return false;
  std::memcpy(&head, bytes, sizeof head);
  const std::size_t count = std::size_t{head.words} + head.variables;
  if (head.words == 0 || count + 2 > room) return false;
  char* at = bytes + sizeof head;
  char* const end = bytes + size;
  for (std::size_t index = 0; index < count; ++index) {
    char* const zero = static_cast<char*>(std::memchr(at, 0, static_cast<std::size_t>(end - at)));
    if (zero == nullptr) return false;
    strings[index < head.words ? index : index + 1] = at;
    at = zero + 1;
  }
  if (at != end) return false;
  strings[head.words] = nullptr;
  strings[count + 1] = nullptr;
  job = {static_cast<int>(head.words), strings, strings + head.words + 1};
  return true;
}

}  // namespace tariff::launcher
