// SPDX-License-Identifier: Apache-2.0
#include "swap/model.h"

namespace tariff::swap {

ClassView class_of(const Snapshot& snapshot, int rank) {
  for (const auto& row : snapshot.classes)
    if (row.rank == rank) return row;
  ClassView unknown;
  unknown.rank = rank;
  return unknown;
}

bool runs_before(const JobView& one, const JobView& other) {
  if (one.rank != other.rank) return one.rank > other.rank;
  return one.arrival < other.arrival;
}

bool is_in(const JobView& job) {
  return job.state == JobState::Running || job.state == JobState::Paging;
}

bool is_leaving(const JobView& job) {
  return job.state == JobState::Freezing || job.state == JobState::Reclaiming;
}

Bytes movable(const JobView& job) {
  return job.resident > job.pinned ? job.resident - job.pinned : 0;
}

Bytes critical_level(const MemoryView& memory) { return memory.headroom / 4; }

std::string_view word(Verb verb) {
  switch (verb) {
    case Verb::SwapOut: return "swap out";
    case Verb::Page: return "page";
    case Verb::StopLeaving: return "stop swapping out";
    case Verb::SwapIn: return "swap in";
    case Verb::Kill: return "kill";
  }
  return "";
}

std::string_view word(Reason reason) {
  switch (reason) {
    case Reason::Pressure: return "pressure";
    case Reason::Headroom: return "headroom";
    case Reason::MakeRoom: return "make room";
    case Reason::Needless: return "enough is free";
    case Reason::Room: return "room";
    case Reason::Alone: return "alone";
  }
  return "";
}

std::string_view word(KillCause cause) {
  switch (cause) {
    case KillCause::SwapAbsent: return "no swap";
    case KillCause::SwapFull: return "swap is full";
    case KillCause::SwapTooSlow: return "swap is too slow";
    case KillCause::NothingCanLeave: return "nothing can leave";
  }
  return "";
}

std::string_view word(Role role) { return role == Role::Culprit ? "culprit" : "bystander"; }

std::string_view word(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::None: return "";
    case Obstacle::Excluded: return "excluded from swap";
    case Obstacle::TooSmall: return "too small";
    case Obstacle::FirstInLine: return "first in line";
    case Obstacle::Leaving: return "leaving";
    case Obstacle::Ending: return "ending";
    case Obstacle::Held: return "held by somebody else";
    case Obstacle::Failed: return "failed before";
    case Obstacle::JustReturned: return "just returned";
    case Obstacle::JustPaged: return "just paged";
    case Obstacle::PagesComeBack: return "its pages come back";
    case Obstacle::JustLeft: return "just left";
    case Obstacle::WouldNotRun: return "would not run";
    case Obstacle::DoesNotFit: return "does not fit";
    case Obstacle::Overtaken: return "overtaken";
  }
  return "";
}

std::string_view word(JobState state) {
  switch (state) {
    case JobState::Running: return "running";
    case JobState::Paging: return "paging";
    case JobState::Freezing: return "freezing";
    case JobState::Reclaiming: return "swapping out";
    case JobState::Out: return "out";
    case JobState::ComingIn: return "coming in";
    case JobState::Ending: return "ending";
    case JobState::Held: return "held";
  }
  return "";
}

}  // namespace tariff::swap
