// SPDX-License-Identifier: Apache-2.0
#include "systemd/journal_sink.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>

namespace tariff::systemd {
namespace {

bool valid_name(std::string_view name) {
  constexpr std::size_t kMost = 64;  // journald's limit for a field name
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto other = [](char c) { return c == '_' || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMost && upper(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return upper(c) || other(c); });
}

/// "NAME=value\n", or, for a value with a newline, "NAME\n", its length as 64 bits, value, "\n".
void append(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
  } else {
    out += '\n';
    for (unsigned shift = 0; shift < 64; shift += 8)
      out += static_cast<char>(static_cast<std::uint64_t>(value.size()) >> shift & 0xff);
  }
  out += value;
  out += '\n';
}

}  // namespace

Result<std::string> encode_journal_entry(std::span<const JournalField> fields) {
  if (fields.empty() || fields.size() > Journal::kMaxFields)
    return Error{ErrorKind::InvalidArgument,
                 "a journal entry has " + std::to_string(fields.size()) + " fields, not 1 to " +
                     std::to_string(Journal::kMaxFields), {}};
  std::string out;
  for (const auto& field : fields) {
    if (!valid_name(field.name))
      return Error{ErrorKind::InvalidArgument,
                   "journal field name '" + std::string(field.name) + "' is not [A-Z][A-Z0-9_]*",
                   {}};
    append(out, field.name, field.value.substr(0, Journal::kMaxValueBytes));
  }
  return out;
}

Result<Journal> Journal::open(std::string_view socket_path) {
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path))
    return Error{ErrorKind::InvalidArgument,
                 "the journal's socket path is too long: " + std::string(socket_path), {}};
  auto socket = Fd::adopt(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno_error("cannot make a socket for the journal", errno);
  return Journal(std::move(socket), std::string(socket_path));
}

Status Journal::send(std::span<const JournalField> fields) const {
  auto datagram = encode_journal_entry(fields);
  if (!datagram) return std::move(datagram).error();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto sent = ::sendto(socket_.get(), datagram->data(), datagram->size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (sent >= 0) return ok();
  Error out = errno_error("cannot send an entry to the journal at " + path_, errno);
  if (errno == EMSGSIZE || errno == ENOBUFS) out.kind = ErrorKind::ResourceExhausted;
  if (errno == ENOENT) out.kind = ErrorKind::Unavailable;
  return out;
}

}  // namespace tariff::systemd
