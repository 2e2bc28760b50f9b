// SPDX-License-Identifier: Apache-2.0
// The launcher's state on its way to the next image of itself (state.proto): a sealed memfd, and
// the descriptors it names, which lose their O_CLOEXEC for the moment of the execve only.
// Threading: the main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/fd.h"
#include "launcher/job_table.h"
#include "launcher/state.pb.h"

namespace tariff::launcher {

class StateWriter {
 public:
  static Result<StateWriter> start();

  void add(const state::Entry& entry);
  /// Names a descriptor that goes along; 0 for an empty one.
  std::uint32_t hand_over(const Fd& fd);

  /// Seals what was added. An error of any add() is told here.
  Status finish();
  [[nodiscard]] const Fd& file() const { return file_; }
  /// Whether execve keeps the memfd and what it names.
  void set_inherited(bool inherited) const;

 private:
  Fd file_;
  int error_ = 0;
  std::vector<int> named_;
};

/// Calls `each` with each entry, the Head first. Fails if this build cannot take the state over.
/// Does not touch the descriptors that are named, so that a stranger can try it (--check-state).
Status read_state(int file, const std::function<void(const state::Entry&)>& each);

/// The descriptor of that number, O_CLOEXEC again and outside of the reserved numbers (clone.h).
Fd take_over(std::uint32_t number);

void fill(state::Job& message, const JobTable::Job& job);
JobTable::Job table_job_of(const state::Job& message);

}  // namespace tariff::launcher
