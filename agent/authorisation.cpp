// SPDX-License-Identifier: Apache-2.0
#include "agent/authorisation.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tariff::agent {
namespace {

using namespace std::string_view_literals;

constexpr std::array kMethods = {
    std::pair{"Status"sv, Role::Reader},    std::pair{"Poll"sv, Role::Reader},
    std::pair{"List"sv, Role::Reader},      std::pair{"Get"sv, Role::Reader},
    std::pair{"Watch"sv, Role::Reader},     std::pair{"Functions"sv, Role::Reader},
    // Wait hands out results, which belong to who placed the job.
    std::pair{"Wait"sv, Role::Placer},      std::pair{"Place"sv, Role::Placer},
    std::pair{"Cancel"sv, Role::Placer},    std::pair{"Acknowledge"sv, Role::Placer},
    std::pair{"Drain"sv, Role::Admin},      std::pair{"Freeze"sv, Role::Admin},
    std::pair{"Thaw"sv, Role::Admin},
};

constexpr std::array kRoles = {std::pair{"reader"sv, Role::Reader},
                               std::pair{"placer"sv, Role::Placer},
                               std::pair{"admin"sv, Role::Admin}};

/// A certificate may hold long words; a message needs a glimpse.
constexpr std::size_t kShownWord = 32;

/// "its certificate gives it no role", "its certificate says reader, friend".
std::string roles_text(const CallerFacts& caller) {
  if (!caller.certified) return "it is " + std::string(role_name(role_of(caller))) + " here";
  std::string text;
  for (const auto& word : caller.roles)
    text += (text.empty() ? "" : ", ") + word.substr(0, kShownWord);
  return text.empty() ? "its certificate names no role" : "its certificate says " + text;
}

std::string hint_for(const CallerFacts& caller, Role needed) {
  if (caller.local) return "run it as root";
  if (caller.certified)
    return "ask for a certificate with the subjectAltName URI:tariff:role/" +
           std::string(role_name(needed));
  return "there is no authentication on this socket: use the Unix socket or TLS";
}

}  // namespace

Role role_of(const CallerFacts& caller) {
  if (caller.local) return caller.uid == 0 ? Role::Admin : Role::Placer;
  if (!caller.certified) return Role::Placer;
  Role highest = Role::None;
  for (const auto& word : caller.roles)
    for (const auto& [name, role] : kRoles)
      if (word == name) highest = std::max(highest, role);
  return highest;
}

bool is_listed(std::string_view method) {
  return std::any_of(kMethods.begin(), kMethods.end(),
                     [method](const auto& row) { return row.first == method; });
}

Role least_role(std::string_view method) {
  for (const auto& [name, role] : kMethods)
    if (name == method) return role;
  return Role::Admin;
}

Status authorise(const CallerFacts& caller, std::string_view method) {
  const Role needed = least_role(method);
  if (role_of(caller) >= needed) return ok();
  return Error{ErrorKind::PermissionDenied,
               std::string(method) + " needs the role " + std::string(role_name(needed)) + "; " +
                   roles_text(caller) + " (the caller is " + caller.name + ")",
               hint_for(caller, needed)};
}

std::string_view role_name(Role role) {
  for (const auto& [name, each] : kRoles)
    if (each == role) return name;
  return "none";
}

}  // namespace tariff::agent
