// SPDX-License-Identifier: Apache-2.0
// The upgrade in place: what the old image does until its execve, and how the new one goes on.
#include "base/crash_point.h"
#include "launcher/log.h"
#include "launcher/protocol_version.h"
#include "launcher/supervisor.h"

namespace tariff::launcher {
namespace {

// For what workers have in hand: a launch or the removal of a leaf takes seconds when hogs starve
// the kernel's own threads. Nothing is served meanwhile, so no longer.
constexpr Nanos kSettlePatience = 10'000'000'000;

}  // namespace

void Supervisor::on_upgrade(std::uint64_t number, std::uint64_t sequence) {
  if (upgrade_) {
    Response response;
    response.set_sequence(sequence);
    response.mutable_failure()->set_code(CODE_NOT_UPGRADED);
    response.mutable_failure()->set_message("an upgrade is under way already");
    return send_to(number, response);
  }
  upgrade_ = Asker{number, sequence, false};
  auto saved = save();
  if (!saved) return not_upgraded(saved.error());
  auto sample = std::make_shared<const StateWriter>(std::move(*saved));
  checker_->run([this, sample] {
    auto checked = check_image(program_.path, sample->file().get());
    loop_.post([this, checked] {
      if (!checked) return not_upgraded(checked.error());
      upgrade_checked_ = true;  // run() goes on once all that is posted is done
    });
  });
}

void Supervisor::upgrade() {
  upgrade_checked_ = false;
  const auto idle = [this] {
    jobs_->clean_up();  // also of those that end meanwhile
    return jobs_->idle() && leaves_.idle();
  };
  if (!loop_.settle(idle, monotonic_now() + kSettlePatience))
    return not_upgraded(Error{ErrorKind::DeadlineExceeded,
                              "launches, ends or removals under way have not come to an end within "
                              "10 s", "try again when the machine is less busy"});
  auto saved = save();
  if (!saved) return not_upgraded(saved.error());
  crash_point("launcher.state_written");
  not_upgraded(exec_image(program_, *saved));
}

void Supervisor::not_upgraded(const Error& why) {
  log_line(LogLevel::Error, "not upgraded: %s", why.text().c_str());
  Response response;
  response.set_sequence(upgrade_->sequence);
  response.mutable_failure()->set_code(CODE_NOT_UPGRADED);
  response.mutable_failure()->set_message(why.text());
  send_to(upgrade_->connection, response);
  upgrade_.reset();
}

state::Head Supervisor::head(StateWriter& state) const {
  state::Head head;
  head.set_version(kState.newest);
  head.set_launcher(TARIFF_VERSION);
  head.set_listener(state.hand_over(listener_));
  head.set_first_reads(state.hand_over(jobs_->first_reads()));
  head.set_tree(tree_);
  if (!classes_.empty()) *head.mutable_configure() = configure_;
  head.set_self_tested(self_tested_);
  head.set_enter_by_procs(cloner_.enters_by_procs());
  for (const auto uid : table_.uids().used()) head.add_uids(uid);
  head.set_next_uid(table_.uids().next());
  return head;
}

Result<StateWriter> Supervisor::save() const {
  auto state = StateWriter::start();
  if (!state) return state;
  state::Entry entry;
  *entry.mutable_head() = head(*state);
  state->add(entry);
  jobs_->save(*state);
  for (const auto& id : table_.dropped()) {
    entry.set_dropped_id(id);
    state->add(entry);
  }
  leaves_.for_each_ready([&](const Leaf& leaf) {
    entry.mutable_ready_leaf()->set_path(leaf.path);
    entry.mutable_ready_leaf()->set_directory(state->hand_over(leaf.directory));
    state->add(entry);
  });
  for (const auto& [number, connection] : connections_) {
    entry.clear_connection();
    state::Connection& message = *entry.mutable_connection();
    connection->save(message, *state);
    message.set_agent(number == agent_);
    if (upgrade_->connection == number) message.set_upgrade_sequence(upgrade_->sequence);
    state->add(entry);
  }
  for (const auto& line : journal_->waiting()) {
    entry.set_journal_entry(line);
    state->add(entry);
  }
  if (auto finished = state->finish(); !finished) return std::move(finished).error();
  return state;
}

Status Supervisor::resume(Journal& journal, Fd state) {
  state::Head head;
  Status started = ok();
  auto read = read_state(state.get(), [&](const state::Entry& entry) {
    if (!started) return;
    if (!entry.has_head()) return restore(entry);
    head = entry.head();
    tree_ = head.tree();
    self_tested_ = head.self_tested();
    if (head.enter_by_procs()) cloner_.enter_by_procs();
    started = start_jobs(journal, take_over(head.first_reads()));
  });
  if (!read || !started) return read ? started : read;
  if (head.has_configure()) apply(head.configure());
  table_.restore_uids({head.uids().begin(), head.uids().end()}, head.next_uid());
  started = listen(take_over(head.listener()));
  if (!started) return started;
  jobs_->reap();  // of whom no SIGCHLD comes any more
  upgraded(head.launcher());
  return ok();
}

void Supervisor::restore(const state::Entry& entry) {
  switch (entry.kind_case()) {
    case state::Entry::kJob: return jobs_->restore(entry.job());
    case state::Entry::kDroppedId: return table_.restore_dropped(entry.dropped_id());
    case state::Entry::kReadyLeaf:
      // Made for an image that is gone: a trampoline in it has ended with that image's channel.
      return leaves_.dismiss(tree_, Leaf{entry.ready_leaf().path(),
                                         take_over(entry.ready_leaf().directory())});
    case state::Entry::kConnection: return restore(entry.connection());
    case state::Entry::kJournalEntry: (void)journal_->push(entry.journal_entry()); return;
    default: return;
  }
}

void Supervisor::restore(const state::Connection& saved) {
  const std::uint64_t number = next_number_;
  add_candidate(take_over(saved.socket()));
  for (const auto& packet : saved.queue())
    connections_.at(number)->send(packet.bytes(), take_over(packet.attached()));
  if (saved.agent()) agent_ = number;
  if (saved.upgrade_sequence() != 0) upgrade_ = Asker{number, saved.upgrade_sequence(), false};
}

void Supervisor::upgraded(const std::string& from) {
  log_line(LogLevel::Notice, "upgraded in place from=%s to=%s jobs=%zu", from.c_str(),
           TARIFF_VERSION, table_.size());
  Response response;
  response.mutable_hello()->set_version(TARIFF_VERSION);
  response.mutable_hello()->set_jobs(static_cast<std::uint32_t>(table_.size()));
  send(response);
  response.set_sequence(upgrade_ ? upgrade_->sequence : 0);
  response.mutable_upgrade()->set_version(TARIFF_VERSION);
  if (upgrade_) send_to(upgrade_->connection, response);
  upgrade_.reset();
}

}  // namespace tariff::launcher
