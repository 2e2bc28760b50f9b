// SPDX-License-Identifier: Apache-2.0
// What the memory policy sees and what it answers: the machine's memory, the classes and the jobs
// at one moment as plain values, and the actions that it wants. Nothing here reads a clock or a
// file; who fills a Snapshot and who carries out the actions are the agent and the tests' machine.
//
// Words: a job is *in* while it may run, *out* while it is frozen with memory in swap, and between
// the two it is leaving (Freezing, Reclaiming) or coming in. Paging is a running job that loses
// cold pages. The order in which jobs would run: highest class first, then first come first served.
// Units: bytes, nanoseconds of one monotonic clock. Threading: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tariff::swap {

using Bytes = std::uint64_t;
using Duration = std::chrono::nanoseconds;
using Time = std::chrono::nanoseconds;  ///< since any fixed moment

constexpr Bytes kMiB = 1ULL << 20;

/// How memory is taken from a class's jobs.
enum class Mode {
  Swap,  ///< the whole job is frozen and moved out, later moved in and thawed (the paper's way)
  Page,  ///< never frozen: a bounded part of its coldest pages is moved out while it runs
  Both,  ///< paged while that is enough and it has a CPU, else swapped
};

struct ClassView {
  int rank = 0;                    ///< 1 is the cheapest
  Mode mode = Mode::Swap;
  std::optional<Bytes> swap_room;  ///< what memory.swap.max still lets out; empty: no limit
  bool suffers = false;            ///< PressureMeter: it waits for memory that others hold
  Time suffers_since{0};
  int runnable = 0;                ///< jobs in that have or want a CPU now
};

enum class JobState {
  Running,     ///< in; also while it has no CPU or sleeps
  Paging,      ///< in; a part of it is being moved out
  Freezing,    ///< asked to freeze, not frozen yet
  Reclaiming,  ///< frozen, being moved out
  Out,         ///< frozen, nothing under way; a part of it may still be resident
  ComingIn,    ///< frozen, being moved in
  Ending,      ///< killed or ending by itself: its memory comes back soon
  Held,        ///< frozen or being debugged by somebody else: never touched
};

struct JobView {
  std::string id;
  int rank = 0;
  std::uint64_t arrival = 0;           ///< order of placement; unique
  JobState state = JobState::Running;
  Time since{0};                       ///< when it came into this state
  Bytes resident = 0;                  ///< memory.current
  Bytes pinned = 0;                    ///< of it, what cannot leave: mlocked, kernel, tried in vain
  Bytes out = 0;                       ///< in swap and not in RAM, by page state
  Bytes asked = 0;                     ///< leaving or paging: what is still to be moved out
  Bytes growth = 0;                    ///< bytes per second that it took lately
  std::optional<Time> returned_at;     ///< when it last came back in
  std::optional<Time> paged_at;        ///< when a part of it was last moved out while it ran
  bool pages_come_back = false;        ///< what was paged out was soon faulted in again
  std::optional<Time> not_before;      ///< an attempt failed: leave it alone until then
  int overtaken = 0;                   ///< jobs behind it in the order that came in before it
  int bounces = 0;                     ///< times it was pushed out soon after it had come in
};

struct MemoryView {
  Bytes total = 0;
  Bytes usable = 0;      ///< usable_bytes(): what can be had without hurting anybody
  Bytes free = 0;        ///< MemFree
  Bytes watermark = 0;   ///< of all zones, "high": below it the kernel itself reclaims
  Bytes headroom = 0;    ///< usable below this: memory is low
  Bytes leave = 0;       ///< usable from here on: it is not any more
  bool low = false;      ///< which of the two was crossed last
  Bytes growth = 0;      ///< bytes per second that jobs and host take now
  std::optional<Time> critical_since;  ///< usable is below critical_level() since then
};

struct SwapView {
  bool present = false;
  Bytes left = 0;
  /// RAM that a byte moved out sets free: 1 with a disk, less with zram, which keeps it compressed.
  double gain = 1;
  Bytes out_speed = 0;  ///< bytes per second, as measured; 0: not known yet
  Bytes in_speed = 0;
};

struct Snapshot {
  Time now{0};
  MemoryView memory;
  SwapView swap;
  int class_cpus = 1;              ///< CPUs on which jobs run
  std::vector<ClassView> classes;  ///< in any order
  std::vector<JobView> jobs;       ///< placed and not ended, in any order
};

struct Settings {
  /// A job that came back stays at least so long, unless a higher class suffers. Twice the 1.0 to
  /// 1.3 s that moving 300 MB in took in the guests (docs/performance.md).
  Duration least_in = std::chrono::seconds(2);
  /// ... and at least so many times as long as coming in took: so moving is at most a fifth of it.
  int least_in_per_move = 4;
  /// A job that went out stays out at least so long, doubled with each bounce.
  Duration least_out = std::chrono::seconds(1);
  /// How often a job that does not fit may see others come in before it.
  int overtakings = 3;
  /// Of its size, kept free beyond it when a job comes in: it goes on growing.
  double margin = 0.125;
  /// Leaving at once. One disk is not faster with two; a second one may freeze meanwhile.
  int leaving_at_once = 1;
  /// Of a job's resident memory, taken at most at once by paging.
  double page_part = 0.25;
  /// A job is paged again after so long at the earliest: the kernel needs time to see what is used.
  Duration page_rest = std::chrono::seconds(1);
  /// How long a class must suffer, or memory be critical with swap too slow, before a kill.
  Duration kill_patience = std::chrono::seconds(1);
  /// A freeze or a death that takes longer is not counted on any more.
  Duration release_patience = std::chrono::seconds(5);
  /// Between two looks with nothing under way (at most 2 wake-ups a second) ...
  Duration rest_pause = std::chrono::milliseconds(500);
  /// ... and with something under way: one batch of memory.reclaim.
  Duration busy_pause = std::chrono::milliseconds(20);
};

/// Less than this is not worth a freeze: 1 MiB, 256 pages. A frozen, emptied job keeps 0.6 to
/// 0.8 MB (measured), so that it is never a candidate again.
constexpr Bytes kLeastUseful = kMiB;

enum class Reason {
  Pressure,   ///< a class waits for memory that lower ones hold
  Headroom,   ///< memory is low; nobody need have waited yet
  MakeRoom,   ///< a job of a higher class is out, would run, and does not fit
  Needless,   ///< enough is free or on its way
  Room,       ///< there is room, and the job will run
  Alone,      ///< nothing else is in
};

enum class Verb { SwapOut, Page, StopLeaving, SwapIn, Kill };

/// Why moving memory out cannot help, so that a job is killed.
enum class KillCause {
  SwapAbsent,
  SwapFull,
  SwapTooSlow,
  NothingCanLeave,  ///< what is left of those that may be touched is mlocked or excluded from swap
};

/// What part the killed job had in it.
enum class Role {
  Culprit,    ///< it took the memory lately
  Bystander,  ///< it stood in the way
};

/// Why a job was not chosen.
enum class Obstacle {
  None,
  Excluded,       ///< its class may not use swap
  TooSmall,       ///< nothing worth moving
  FirstInLine,    ///< it would run first of all: somebody has to
  Leaving,        ///< already on its way out
  Ending,
  Held,
  Failed,         ///< not_before
  JustReturned,   ///< least_in
  JustPaged,      ///< page_rest
  PagesComeBack,  ///< paging it is in vain, and its class is not swapped
  JustLeft,       ///< least_out
  WouldNotRun,    ///< as many as there are CPUs would run before it
  DoesNotFit,
  Overtaken,      ///< it does not fit, and one behind it comes in
};

struct PassedOver {
  std::string job;
  Obstacle why = Obstacle::None;

  bool operator==(const PassedOver&) const = default;
};

struct Action {
  Verb verb = Verb::SwapOut;
  std::string job;
  Bytes bytes = 0;                      ///< at most so many to move, or what the kill releases
  Reason reason = Reason::Headroom;
  int suffering_rank = 0;               ///< Pressure: which class; else 0
  std::string on_behalf_of;             ///< MakeRoom: for which job
  std::optional<KillCause> kill_cause;  ///< Kill only
  std::optional<Role> role;             ///< Kill only
  std::vector<PassedOver> passed_over;  ///< nearer candidates, at most kMostPassedOver
};
constexpr std::size_t kMostPassedOver = 16;

struct Decision {
  std::vector<Action> actions;
  Duration look_again{0};  ///< at the latest; a trigger may come first
};

/// The class of that rank; one that nobody described has defaults.
ClassView class_of(const Snapshot& snapshot, int rank);

/// Would `one` run before `other`?
bool runs_before(const JobView& one, const JobView& other);

bool is_in(const JobView& job);       ///< Running or Paging
bool is_leaving(const JobView& job);  ///< Freezing or Reclaiming

/// What of it could be moved out, whoever may.
Bytes movable(const JobView& job);

/// Below this usable memory only killing is quick enough: a quarter of the headroom, which is half
/// a second of the fastest growth seen (a kill releases within 5 to 105 ms, measured).
Bytes critical_level(const MemoryView& memory);

/// For events, the CLI and metrics: "swap out", "headroom", "just returned", ...
std::string_view word(Verb verb);
std::string_view word(Reason reason);
std::string_view word(KillCause cause);
std::string_view word(Role role);
std::string_view word(Obstacle obstacle);
std::string_view word(JobState state);

}  // namespace tariff::swap
