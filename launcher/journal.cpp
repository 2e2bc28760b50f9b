// SPDX-License-Identifier: Apache-2.0
#include "launcher/journal.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "launcher/workers.h"

namespace tariff::launcher {
namespace {

/// A field's value without what would end the field. Ids and names are checked before; this keeps
/// a mistake there from becoming a forged field.
std::string one_line(std::string_view value) {
  std::string text(value);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

JournalFields journal_fields(std::string_view id, std::string_view price_class,
                             std::string_view function) {
  return std::make_shared<const std::string>(
      "JOB_ID=" + one_line(id) + "\nCLASS=" + one_line(price_class) + "\nFUNCTION=" +
      one_line(function) + "\nSYSLOG_IDENTIFIER=" + one_line(function) + "\n");
}

std::string journal_entry(const std::string& fields, std::string_view line, int priority) {
  std::string entry = fields + "PRIORITY=" + std::to_string(priority) + "\nMESSAGE\n";
  const std::uint64_t size = line.size();  // little-endian by the protocol
  for (unsigned byte = 0; byte < sizeof size; ++byte)
    entry.push_back(static_cast<char>(size >> (8 * byte) & 0xff));
  entry.append(line);
  entry.push_back('\n');
  return entry;
}

Result<Journal*> Journal::start(std::string socket) {
  auto* journal = new Journal(std::move(socket));
  if (journal->path_.size() >= sizeof(sockaddr_un::sun_path))
    return Error{ErrorKind::InvalidArgument, journal->path_ + " is too long for a socket", {}};
  journal->socket_ = Fd::adopt(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!journal->socket_) return errno_error("cannot make a socket for the journal", errno);
  auto sender = Workers::start("journal", 1, Workers::Priority::AsWorker);
  if (!sender) return std::move(sender).error();
  (*sender)->run([journal] {
    for (;;) journal->send_next();
  });
  return journal;
}

bool Journal::push(const JournalFields& fields, std::string_view line, int priority) {
  return push(journal_entry(*fields, line, priority));
}

bool Journal::push(std::string entry) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_bytes_ + entry.size() > kQueueBytes) return false;
    queued_bytes_ += entry.size();
    entries_.push_back(std::move(entry));
  }
  changed_.notify_one();
  return true;
}

void Journal::send_next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !entries_.empty(); });
  const std::string& entry = entries_.front();  // stays there while others are added
  lock.unlock();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  // Blocks while journald does not read; fails at once if there is none: then the line is lost.
  (void)::sendto(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), sizeof address);
  lock.lock();
  queued_bytes_ -= entry.size();  // only now: what is being sent still takes room
  entries_.pop_front();
}

std::deque<std::string> Journal::waiting() {
  const std::lock_guard lock(mutex_);
  return entries_;
}

}  // namespace tariff::launcher
