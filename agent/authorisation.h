// SPDX-License-Identifier: Apache-2.0
// Who may call what: one table from methods to the least role that may call them, and one rule from
// callers to their role. The same for every way in: Unix sockets, TLS, TCP without authentication.
//
//   reader   sees everything, changes nothing
//   placer   reader, and places, waits for, acknowledges and cancels jobs
//   admin    everything
//
// Threading: pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tariff::agent {

enum class Role { None, Reader, Placer, Admin };  ///< each may do what those before it may

/// What is known of a caller; see ipc::Peer.
struct CallerFacts {
  bool local = false;      ///< came over the Unix socket, which only root and the group can open
  std::uint32_t uid = 0;   ///< of a local one
  bool certified = false;  ///< showed a certificate
  std::vector<std::string> roles;  ///< its words for what it may do
  std::string name;                ///< for people
};

/// The highest role that the caller has. Whoever is neither local nor certified came over TCP
/// without authentication, which an administrator has switched on: a placer. Words that are no
/// role give none.
[[nodiscard]] Role role_of(const CallerFacts& caller);

/// What a method asks for. One that is not in the table asks for Admin, so that a method which
/// somebody forgot to list is closed.
[[nodiscard]] Role least_role(std::string_view method);
[[nodiscard]] bool is_listed(std::string_view method);

/// PermissionDenied with a text that names the role needed and the roles that the caller has.
Status authorise(const CallerFacts& caller, std::string_view method);

[[nodiscard]] std::string_view role_name(Role role);

}  // namespace tariff::agent
