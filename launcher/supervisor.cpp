// SPDX-License-Identifier: Apache-2.0
#include "launcher/supervisor.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "launcher/log.h"
#include "launcher/lost_jobs.h"
#include "launcher/protocol_version.h"

namespace tariff::launcher {
namespace {

// Connections that have not said Hello, and old agents on their way out. More wait in the backlog.
constexpr std::size_t kMostConnections = 8;

bool is_root(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

/// How many CPUs a job can use at once. An agent of an earlier version does not say.
int class_cpus(const Configure& configure) {
  if (configure.class_cpus() > 0) return static_cast<int>(configure.class_cpus());
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

}  // namespace

Supervisor::Supervisor(Loop& loop, Cloner& cloner, LeafPool& leaves, std::string tree,
                       Program program)
    : loop_(loop), cloner_(cloner), leaves_(leaves), program_(std::move(program)),
      tree_(std::move(tree)) {}

Status Supervisor::start_jobs(Journal& journal, Fd first_reads) {
  auto jobs = Jobs::start(
      {loop_, table_, cloner_, leaves_, journal},
      {[this](const std::string& id) { changed(id); },
       [this](const std::string& id, const std::optional<Error>& failed) {
         launched(id, failed);
       }},
      std::move(first_reads));
  if (!jobs) return std::move(jobs).error();
  jobs_ = *jobs;
  journal_ = &journal;
  auto checker = Workers::start("upgrade", 1, Workers::Priority::AsProcess);
  if (!checker) return std::move(checker).error();
  checker_ = *checker;
  auto mounts = MountWatch::open();
  if (!mounts) return std::move(mounts).error();
  mounts_ = std::move(*mounts);
  return loop_.watch(mounts_.fd(), EPOLLPRI, [this](std::uint32_t) { leaves_.look_again(); });
}

Status Supervisor::start(Journal& journal, Fd listener) {
  auto started = start_jobs(journal, {});
  if (!started) return started;
  leaves_.configure(tree_, {}, 0);
  end_lost_jobs(tree_, table_, *jobs_, leaves_);
  self_test(tree_);
  return listen(std::move(listener));
}

Status Supervisor::listen(Fd listener) {
  listener_ = std::move(listener);
  return loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_all(); });
}

void Supervisor::run() {
  loop_.run([this] { return jobs_->next_due(); },
            [this](Nanos now) {
              jobs_->on_due(now);
              if (upgrade_checked_) upgrade();
            });
  ::_exit(1);  // not reached: the loop ends with the process
}

/// Once a tree is there: decides how children enter their leaves.
void Supervisor::self_test(const std::string& tree) {
  if (self_tested_ || ::access(tree.c_str(), F_OK) < 0) return;
  auto leaf = make_test_leaf(tree);
  if (!leaf) return log_line(LogLevel::Warning, "no self-test: %s", leaf.error().text().c_str());
  auto passed = cloner_.self_test(*leaf);
  if (!passed) log_line(LogLevel::Error, "self-test: %s", passed.error().text().c_str());
  self_tested_ = passed.has_value();
  leaves_.remove(std::make_shared<const Leaf>(std::move(*leaf)), [] {});
}

void Supervisor::accept_all() {
  for (;;) {
    Fd socket = Fd::adopt(::accept4(listener_.get(), nullptr, nullptr,
                                    SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (!is_root(socket.get())) {
      log_line(LogLevel::Warning, "a connection that is not root's was refused");
      continue;
    }
    add_candidate(std::move(socket));
  }
}

void Supervisor::add_candidate(Fd socket) {
  if (connections_.size() >= kMostConnections) {
    // The oldest that is not the agent: a peer that connects and says nothing.
    auto oldest = connections_.begin();
    if (oldest->first == agent_) ++oldest;
    connections_.erase(oldest);
  }
  const std::uint64_t number = next_number_++;
  connections_[number] = std::make_unique<Connection>(
      loop_, std::move(socket),
      [this, number](Connection::Packet packet) { on_packet(number, std::move(packet)); },
      [this, number](const char* why) { drop(number, why); });
}

void Supervisor::drop(std::uint64_t number, const char* why) {
  if (number == agent_) {
    log_line(LogLevel::Notice, "agent=gone reason=\"%s\" jobs=%zu", why, table_.size());
    agent_ = 0;
  }
  connections_.erase(number);
}

void Supervisor::on_packet(std::uint64_t number, Connection::Packet packet) {
  Request request;
  if (!request.ParseFromString(packet.bytes)) {
    log_line(LogLevel::Warning, "a packet that is not a request; its connection is closed");
    return drop(number, "it sent garbage");
  }
  if (request.kind_case() == Request::kHello) return on_hello(number, request);
  if (request.kind_case() == Request::kUpgrade) return on_upgrade(number, request.sequence());
  if (number != agent_) return drop(number, "no Hello");
  obey(request, std::move(packet.attached));
}

void Supervisor::on_hello(std::uint64_t number, const Request& request) {
  const Hello& hello = request.hello();
  const auto version =
      agree(kProtocol, {hello.protocol_oldest(), hello.protocol_newest()});
  Response response;
  response.set_sequence(request.sequence());
  if (!version) {
    response.mutable_failure()->set_code(CODE_VERSION);
    response.mutable_failure()->set_message(
        "this launcher speaks protocol " + std::to_string(kProtocol.oldest) + ".." +
        std::to_string(kProtocol.newest) + ", the agent " +
        std::to_string(hello.protocol_oldest()) + ".." +
        std::to_string(hello.protocol_newest()));
    connections_.at(number)->send(response.SerializeAsString());
    return drop(number, "no common protocol version");
  }
  if (agent_ != 0 && agent_ != number) drop(agent_, "another agent said Hello");
  agent_ = number;
  log_line(LogLevel::Notice, "agent=connected version=%s protocol=%u jobs=%zu",
           hello.version().c_str(), *version, table_.size());
  response.mutable_hello()->set_protocol(*version);
  response.mutable_hello()->set_version(TARIFF_VERSION);
  response.mutable_hello()->set_jobs(static_cast<std::uint32_t>(table_.size()));
  send(response);
}

void Supervisor::obey(const Request& request, Fd attached) {
  switch (request.kind_case()) {
    case Request::kConfigure: return on_configure(request);
    case Request::kLaunch: return on_launch(request, std::move(attached));
    case Request::kEnd: return on_end(request);
    case Request::kAcknowledge: return on_acknowledge(request);
    case Request::kList: return on_list(request);
    case Request::kFetchResult: return on_fetch_result(request);
    default: return refuse(request.sequence(), CODE_INVALID, "an unknown kind of request");
  }
}

void Supervisor::on_configure(const Request& request) {
  const Configure& configure = request.configure();
  if (const auto why = objection_to(configure))
    return refuse(request.sequence(), CODE_INVALID, *why);
  if (!configure.tree().empty() && configure.tree() != tree_) {
    tree_ = configure.tree();
    leaves_.configure(tree_, {}, 0);
    end_lost_jobs(tree_, table_, *jobs_, leaves_);
  }
  self_test(tree_);
  apply(configure);
  Response response;
  response.set_sequence(request.sequence());
  response.mutable_configure();
  send(response);
}

void Supervisor::apply(const Configure& configure) {
  configure_ = configure;
  classes_.clear();  // jobs carry what they need of theirs
  std::vector<std::string> directories;
  for (const auto& setting : configure.classes()) {
    classes_[setting.name()] = class_of(setting);
    directories.push_back(setting.directory());
  }
  table_.configure(settings_of(configure, class_cpus(configure)));
  if (configure.stderr_bytes_per_second() > 0)
    jobs_->set_stderr_rate(configure.stderr_bytes_per_second());
  leaves_.configure(tree_, directories, configure.leaf_pool());
  watch_holder();
}

/// The kernel tells when its last process has gone (leaf_pool.h).
void Supervisor::watch_holder() {
  if (holder_) loop_.forget(holder_.get());
  holder_.reset();
  auto opened = open_at(AT_FDCWD, tree_ + "/holder/cgroup.events", O_RDONLY);
  if (!opened) return;  // dead already, or no tree of systemd's
  holder_ = std::move(*opened);
  auto watched = loop_.watch(holder_.get(), EPOLLPRI, [this](std::uint32_t) {
    (void)read_events(holder_.get());
    leaves_.look_again();
  });
  if (!watched) log_line(LogLevel::Error, "%s", watched.error().text().c_str());
  (void)read_events(holder_.get());  // changes count from here
}

void Supervisor::on_launch(const Request& request, Fd attached) {
  const Launch& launch = request.launch();
  const std::uint64_t sequence = request.sequence();
  if (classes_.empty()) return refuse(sequence, CODE_NOT_CONFIGURED, "no Configure yet");
  if (const auto why = objection_to(launch)) return refuse(sequence, CODE_INVALID, *why);
  if (launch.has_payload() && !attached)
    return refuse(sequence, CODE_INVALID, "the payload's descriptor is missing");
  const auto run = classes_.find(launch.class_run());
  if (run == classes_.end())
    return refuse(sequence, CODE_UNKNOWN_CLASS, "no class " + launch.class_run());
  Asker asker{agent_, sequence, false};
  switch (table_.admit(spec_of(launch))) {
    case Admission::New:
      crash_point("launcher.after_record");
      waiting_[launch.id()].push_back(asker);
      if (!launch.has_payload()) attached.reset();
      return jobs_->launch(launch.id(), handler_of(launch), run->second, std::move(attached));
    case Admission::Repeated: {
      asker.repeated = true;
      const JobRecord& record = *table_.find(launch.id());
      if (record.state == JobState::Launching) return waiting_[launch.id()].push_back(asker);
      return reply_launch(asker, record);
    }
    case Admission::IdInUse:
      return refuse(sequence, CODE_ID_IN_USE,
                    "id " + launch.id() + " belongs to a job of another function or payload");
    case Admission::Expired:
      return refuse(sequence, CODE_EXPIRED,
                    "id " + launch.id() + " belongs to a job whose record was dropped");
    case Admission::NoUid:
      return refuse(sequence, CODE_NO_UID, "all uids of the range are in use");
  }
}

void Supervisor::launched(const std::string& id, const std::optional<Error>& failed) {
  const auto askers = waiting_.extract(id);
  if (failed)
    log_line(LogLevel::Warning, "job=%s not launched: %s", id.c_str(), failed->text().c_str());
  else
    crash_point("launcher.before_launch_reply");
  if (!askers) return;
  for (const Asker& asker : askers.mapped()) {
    if (asker.connection != agent_) continue;  // that agent is gone; a new one lists
    if (failed) refuse(asker.sequence, CODE_LAUNCH_FAILED, failed->text());
    else reply_launch(asker, *table_.find(id));
  }
}

void Supervisor::changed(const std::string& id) {
  const JobRecord* record = table_.find(id);
  if (agent_ == 0 || (record == nullptr && !table_.expired(id))) return;
  Response response;
  if (record != nullptr) {
    fill(*response.mutable_changed(), *record);
  } else {
    response.mutable_changed()->set_id(id);
    response.mutable_changed()->set_state(STATE_EXPIRED);
  }
  send(response);
}

void Supervisor::reply_launch(const Asker& asker, const JobRecord& record) {
  Response response;
  response.set_sequence(asker.sequence);
  fill(*response.mutable_launch()->mutable_record(), record);
  response.mutable_launch()->set_repeated_id(asker.repeated);
  send(response);
}

void Supervisor::on_end(const Request& request) {
  const std::string& id = request.end().id();
  if (table_.find(id) == nullptr) return refuse_unknown(request.sequence(), id);
  const auto reason = static_cast<EndReason>(request.end().reason());
  if (request.end().reason() <= REASON_NONE || request.end().reason() >= kEndReasons)
    return refuse(request.sequence(), CODE_INVALID, "an unknown reason");
  const bool asked = table_.request_end(id, reason, monotonic_now());
  Response response;
  response.set_sequence(request.sequence());
  response.mutable_end()->set_already_ended(!asked);
  send(response);
}

void Supervisor::on_acknowledge(const Request& request) {
  const std::string& id = request.acknowledge().id();
  const JobRecord* record = table_.find(id);
  if (record == nullptr && !table_.expired(id)) return refuse_unknown(request.sequence(), id);
  if (record != nullptr && record->state != JobState::Ended)
    return refuse(request.sequence(), CODE_NOT_ENDED, "job " + id + " has not ended");
  if (record != nullptr) table_.acknowledge(id, monotonic_now());
  jobs_->on_due(monotonic_now());  // dropped before it is answered
  Response response;
  response.set_sequence(request.sequence());
  response.mutable_acknowledge();
  send(response);
}

void Supervisor::on_list(const Request& request) {
  Response response;
  response.set_sequence(request.sequence());
  table_.for_each([&](const JobRecord& record) {
    response.mutable_list()->Clear();
    fill(*response.mutable_list()->mutable_record(), record);
    send(response);
  });
  response.mutable_list()->Clear();
  response.mutable_list()->set_last(true);
  send(response);
}

void Supervisor::on_fetch_result(const Request& request) {
  const std::string& id = request.fetch_result().id();
  const JobRecord* record = table_.find(id);
  if (record == nullptr) return refuse_unknown(request.sequence(), id);
  if (record->state != JobState::Ended)
    return refuse(request.sequence(), CODE_NOT_ENDED, "job " + id + " has not ended");
  auto result = jobs_->result(id);
  if (!result) return refuse(request.sequence(), CODE_INVALID, result.error().text());
  Response response;
  response.set_sequence(request.sequence());
  response.mutable_fetch_result()->set_bytes(record->result_bytes);
  send(response, std::move(*result));
}

void Supervisor::refuse(std::uint64_t sequence, Code code, const std::string& why) {
  Response response;
  response.set_sequence(sequence);
  response.mutable_failure()->set_code(code);
  response.mutable_failure()->set_message(why);
  send(response);
}

void Supervisor::refuse_unknown(std::uint64_t sequence, const std::string& id) {
  if (table_.expired(id))
    return refuse(sequence, CODE_EXPIRED, "the record of job " + id + " was dropped");
  refuse(sequence, CODE_UNKNOWN_JOB, "no job " + id);
}

void Supervisor::send(const Response& response, Fd attached) {
  send_to(agent_, response, std::move(attached));
}

void Supervisor::send_to(std::uint64_t number, const Response& response, Fd attached) {
  const auto found = connections_.find(number);
  if (found != connections_.end())
    found->second->send(response.SerializeAsString(), std::move(attached));
}

}  // namespace tariff::launcher
