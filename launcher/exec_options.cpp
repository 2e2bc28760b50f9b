// SPDX-License-Identifier: Apache-2.0
#include "launcher/exec_options.h"

#include <charconv>
#include <cstring>

namespace tariff::launcher {
namespace {

template <typename T>
bool number(std::string_view text, T low, T high, T& out) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return false;
  if (value < low || value > high) return false;
  out = value;
  return true;
}

constexpr std::uint32_t kLargestUid = 0xfffffffeU - 1;  // (uid_t)-1 means "leave it" to setresuid

/// `text` is in argv, hence ends with a zero byte at text.data() + text.size().
bool take(std::string_view name, std::string_view text, ExecOptions& out) {
  if (name == "--uid") return number<std::uint32_t>(text, 1, kLargestUid, out.uid);
  if (name == "--gid") return number<std::uint32_t>(text, 1, kLargestUid, out.gid);
  if (name == "--nofile") return number<std::uint64_t>(text, 1, UINT64_MAX, out.nofile);
  if (name == "--cwd") {
    out.cwd = text.data();
    return !text.empty() && text.front() == '/';
  }
  return false;
}

bool complete(const ExecOptions& options, std::string_view& wrong) {
  if (options.uid == 0) return wrong = "--uid is missing", false;
  if (options.gid == 0) return wrong = "--gid is missing", false;
  return true;
}

}  // namespace

bool parse_exec_options(int argc, char** argv, ExecOptions& options, std::string_view& wrong) {
  int index = 1;
  for (; index < argc; ++index) {
    const std::string_view argument = argv[index];
    if (argument == "--") break;
    const auto equals = argument.find('=');
    if (equals == argument.npos ||
        !take(argument.substr(0, equals), argument.substr(equals + 1), options))
      return wrong = argument, false;
  }
  if (index >= argc) return wrong = "-- is missing", false;
  options.argv = argv + index + 1;
  if (options.argv[0] == nullptr) return wrong = "the handler is missing", false;
  if (options.argv[0][0] != '/') return wrong = options.argv[0], false;
  return complete(options, wrong);
}

std::string_view exec_stage_text(ExecStage stage) {
  switch (stage) {
    case ExecStage::FirstRan: return "run";
    case ExecStage::Namespaces: return "make its namespaces";
    case ExecStage::Options: return "read its options";
    case ExecStage::Mounts: return "mount its private directories";
    case ExecStage::Limits: return "set its limits";
    case ExecStage::Identity: return "change to its user";
    case ExecStage::WorkingDirectory: return "change to its working directory";
    case ExecStage::Exec: return "execute";
    case ExecStage::Prepared: return "wait for its job";
  }
  return "start";
}

}  // namespace tariff::launcher
