// SPDX-License-Identifier: Apache-2.0
#include "base/crash_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

namespace tariff {
namespace {

std::string wanted;
std::atomic<int> passes_left{0};
std::atomic<bool> armed{false};

}  // namespace

void crash_points_from_environment() {
  const char* value = std::getenv("TARIFF_CRASH_POINT");
  if (value == nullptr || *value == '\0') return;
  std::string_view text = value;
  int count = 1;
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), count);
    text = text.substr(0, colon);
  }
  wanted = text;
  passes_left = count;
  armed = true;
}

void crash_point(const char* name) noexcept {
  if (!armed.load(std::memory_order_relaxed)) [[likely]] return;
  if (wanted != name) return;
  if (passes_left.fetch_sub(1) == 1) ::kill(::getpid(), SIGKILL);
}

}  // namespace tariff
