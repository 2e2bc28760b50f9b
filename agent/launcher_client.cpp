// SPDX-License-Identifier: Apache-2.0
#include "agent/launcher_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "base/packet.h"

namespace tariff::agent {
namespace {

using namespace std::chrono_literals;
constexpr auto use_result = asio::as_tuple(asio::use_awaitable);

// What this agent can speak; N and N-1 (protocol.proto).
constexpr std::uint32_t kProtocolOldest = 1;
constexpr std::uint32_t kProtocolNewest = 1;
// Longest packet of the protocol: a record or a launch with a long argv; 256 KiB is above
// ARG_MAX/8, which config/load limits argv and env to.
constexpr std::size_t kLongestPacket = 262'144;
// The launcher is restarted by systemd after 100 ms (tariff-launcher.service).
constexpr auto kRetry = 100ms;
constexpr auto kHandshakeDeadline = 10s;

Result<Fd> connect_seqpacket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{ErrorKind::InvalidArgument, "socket path " + path + " is too long", {}};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd fd = Fd::adopt(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("cannot make a socket", errno);
  const int size = 1 << 20;  // many records in flight while a list is replayed
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return errno_error("cannot connect to the launcher at " + path, errno,
                       "is tariff-launcher.socket active?");
  return fd;
}

}  // namespace

LauncherClient::LauncherClient(asio::io_context& io, std::string socket_path, std::string version,
                               Hooks hooks)
    : io_(io),
      socket_path_(std::move(socket_path)),
      version_(std::move(version)),
      hooks_(std::move(hooks)),
      writable_(io, asio::steady_timer::time_point::max()),
      retry_(io),
      buffer_(kLongestPacket, '\0') {}

asio::awaitable<void> LauncherClient::run() {
  while (!stopping_) {
    auto ended = co_await session();
    const bool was_ready = ready_;
    close_session();
    if (stopping_) break;
    if (!ended) hooks_.on_lost(ended.error());
    if (was_ready) continue;  // it was there a moment ago: try at once, then with pauses
    retry_.expires_after(kRetry);
    co_await retry_.async_wait(use_result);
  }
}

void LauncherClient::stop() {
  stopping_ = true;
  retry_.cancel();
  if (socket_) socket_->close();
}

asio::awaitable<bool> LauncherClient::wait_ready(std::chrono::milliseconds patience) {
  if (ready_) co_return true;
  const auto timer = std::make_shared<asio::steady_timer>(io_, patience);
  std::erase_if(awaiting_ready_, [](const auto& waiter) { return waiter.expired(); });
  awaiting_ready_.push_back(timer);
  co_await timer->async_wait(use_result);
  co_return ready_;
}

asio::awaitable<Status> LauncherClient::session() {
  using namespace asio::experimental::awaitable_operators;
  auto fd = connect_seqpacket(socket_path_);
  if (!fd) co_return std::move(fd).error();
  socket_ = std::make_shared<asio::posix::stream_descriptor>(io_, fd->release());
  auto why = std::make_shared<Error>();
  Status set_up = ok();
  const auto set_up_then_serve = [&]() -> asio::awaitable<void> {
    set_up = co_await handshake();
    if (!set_up && socket_) socket_->close();
  };
  co_await (read_loop(socket_, why) && write_loop(socket_) && set_up_then_serve());
  if (!set_up) co_return set_up;
  co_return *why;
}

asio::awaitable<Status> LauncherClient::handshake() {
  launcher::Request request;
  auto* hello = request.mutable_hello();
  hello->set_protocol_oldest(kProtocolOldest);
  hello->set_protocol_newest(kProtocolNewest);
  hello->set_version(version_);
  // A launcher that accepts and says nothing must not hold the agent for ever.
  asio::steady_timer deadline(io_, kHandshakeDeadline);
  deadline.async_wait([this](boost::system::error_code error) {
    if (!error && socket_ && !ready_) socket_->close();
  });
  auto reply = co_await exchange(std::move(request), -1, {});
  if (!reply) co_return std::move(reply).error().context("greeting the launcher");
  launcher_version_ = reply->message.hello().version();
  if (auto agreed = co_await hooks_.on_session(); !agreed) co_return agreed;
  ready_ = true;
  for (const auto& waiter : std::exchange(awaiting_ready_, {}))
    if (const auto timer = waiter.lock()) timer->cancel();
  co_return ok();
}

asio::awaitable<void> LauncherClient::read_loop(
    std::shared_ptr<asio::posix::stream_descriptor> socket, std::shared_ptr<Error> why) {
  *why = Error{ErrorKind::Unavailable, "the launcher closed the connection", {}};
  while (socket->is_open()) {
    auto [error] = co_await socket->async_wait(asio::posix::stream_descriptor::wait_read,
                                               use_result);
    if (error || !socket->is_open()) break;
    auto more = receive(socket->native_handle());
    if (!more) *why = std::move(more).error();
    if (!more || !*more) break;
  }
  socket->close();
  writable_.cancel();
  for (auto& [sequence, waiting] : pending_) {
    waiting->failed = true;
    waiting->done.cancel();
  }
  pending_.clear();
}

/// True: go on; false: the launcher closed.
Result<bool> LauncherClient::receive(int socket) {
  for (;;) {
    ReceivedPacket packet = receive_packet(socket, buffer_.data(), buffer_.size());
    if (packet.size < 0 && errno == EAGAIN) return true;
    if (packet.size < 0) return errno_error("reading from the launcher", errno);
    if (packet.size == 0) return false;
    if (packet.truncated)
      return Error{ErrorKind::Internal, "the launcher sent a packet of more than " +
                   std::to_string(kLongestPacket) + " bytes", {}};
    LauncherReply reply;
    reply.descriptor = std::move(packet.attached);
    if (!reply.message.ParseFromArray(buffer_.data(), static_cast<int>(packet.size)))
      return Error{ErrorKind::Internal, "the launcher sent a packet that cannot be parsed",
                   "agent and launcher may be of versions that do not go together"};
    dispatch(std::move(reply));
  }
}

void LauncherClient::dispatch(LauncherReply reply) {
  if (reply.message.sequence() == 0) {
    if (reply.message.has_changed()) hooks_.on_event(reply.message.changed());
    if (reply.message.has_hello()) launcher_version_ = reply.message.hello().version();
    return;
  }
  const auto found = pending_.find(reply.message.sequence());
  if (found == pending_.end()) return;  // its caller gave up
  const auto waiting = found->second;
  if (reply.message.has_list() && !reply.message.list().last()) {
    if (waiting->each) waiting->each(reply.message.list().record());
    return;
  }
  pending_.erase(found);
  waiting->replies.push_back(std::move(reply));
  waiting->done.cancel();
}

asio::awaitable<void> LauncherClient::write_loop(
    std::shared_ptr<asio::posix::stream_descriptor> socket) {
  while (socket->is_open()) {
    if (outgoing_.empty()) {
      writable_.expires_at(asio::steady_timer::time_point::max());
      co_await writable_.async_wait(use_result);
      continue;
    }
    auto sent = send(socket->native_handle(), outgoing_.front());
    if (sent) {
      outgoing_.pop_front();
    } else if (sent.error().kind == ErrorKind::ResourceExhausted) {
      auto [error] = co_await socket->async_wait(asio::posix::stream_descriptor::wait_write,
                                                 use_result);
      if (error) break;
    } else {
      break;
    }
  }
  socket->close();
}

Status LauncherClient::send(int socket, const Packet& packet) {
  const ssize_t sent = send_packet(socket, packet.bytes.data(), packet.bytes.size(),
                                   packet.descriptor.get());
  if (sent < 0) return errno_error("writing to the launcher", errno);
  return ok();
}

void LauncherClient::close_session() {
  ready_ = false;
  if (socket_) socket_->close();
  socket_.reset();
  outgoing_.clear();
}

asio::awaitable<Result<LauncherReply>> LauncherClient::exchange(
    launcher::Request request, int descriptor,
    std::function<void(const launcher::Record&)> each) {
  if (!socket_ || !socket_->is_open())
    co_return Error{ErrorKind::Unavailable, "the launcher is not connected",
                    "systemctl status tariff-launcher"};
  Packet packet;
  request.set_sequence(next_sequence_++);
  if (descriptor >= 0) {
    auto copy = Fd::adopt(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copy) co_return errno_error("cannot duplicate a descriptor for the launcher", errno);
    packet.descriptor = std::move(copy);
  }
  packet.bytes = request.SerializeAsString();
  if (packet.bytes.size() > kLongestPacket)
    co_return Error{ErrorKind::InvalidArgument, "the request to the launcher is too long",
                    "shorten the function's argv or env"};
  auto waiting = std::make_shared<Pending>(io_);
  waiting->each = std::move(each);
  pending_.emplace(request.sequence(), waiting);
  outgoing_.push_back(std::move(packet));
  writable_.cancel();
  while (waiting->replies.empty() && !waiting->failed)
    co_await waiting->done.async_wait(use_result);
  if (waiting->failed)
    co_return Error{ErrorKind::Unavailable, "the connection to the launcher was lost", {}};
  co_return std::move(waiting->replies.front());
}

asio::awaitable<Result<LauncherReply>> LauncherClient::request(launcher::Request request,
                                                               int descriptor) {
  return exchange(std::move(request), descriptor, {});
}

asio::awaitable<Status> LauncherClient::list(
    std::function<void(const launcher::Record&)> each) {
  launcher::Request request;
  request.mutable_list();
  auto reply = co_await exchange(std::move(request), -1, std::move(each));
  if (!reply) co_return std::move(reply).error();
  if (reply->message.has_failure())
    co_return Error{ErrorKind::Internal, reply->message.failure().message(), {}};
  co_return ok();
}

}  // namespace tariff::agent
