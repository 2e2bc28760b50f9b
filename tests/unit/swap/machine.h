// SPDX-License-Identifier: Apache-2.0
// A machine in miniature for the memory policy: RAM, a swap device, CPUs that run jobs by class and
// arrival, jobs that grow while they run, touch their hot part and end when their work is done. It
// senses with the shipped meters, asks the shipped policy when its look_again is over or a class
// waits (the trigger), and carries out what it says. Deterministic: ticks of 20 ms, no clock.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "swap/headroom.h"
#include "swap/policy.h"
#include "swap/pressure.h"

namespace tariff::swap::test {

constexpr Duration kTick = std::chrono::milliseconds(20);

struct JobSpec {
  int rank = 1;
  Time arrives{0};
  Bytes size = 0;               ///< grows up to here
  Bytes growth = 100 * kMiB;    ///< per second of CPU
  double hot = 0.5;             ///< part of it that it touches all the time
  Bytes pinned = 0;
  Duration work = std::chrono::seconds(5);  ///< CPU time until it ends
};

struct MachineSpec {
  Bytes ram = 2048 * kMiB;
  Bytes host = 256 * kMiB;
  Bytes watermark = 16 * kMiB;
  Bytes swap = 4096 * kMiB;
  Bytes speed = 250 * kMiB;     ///< of the swap device, per second, each way
  double gain = 1;              ///< less than 1: zram
  int cpus = 2;
  std::map<int, Mode> modes;    ///< by rank; else Swap
  std::map<int, Bytes> swap_room;
  Settings settings;
  HeadroomSettings headroom;
};

class Machine {
 public:
  explicit Machine(const MachineSpec& spec) : spec_(spec), level_(spec.headroom) {}
  void add(const JobSpec& job);

  /// Lets so much time pass, or until all have ended. `check` sees each decision.
  using Check = std::function<void(const Snapshot&, const Decision&)>;
  void run(Duration duration, const Check& check = {});

  [[nodiscard]] Snapshot snapshot() const;
  [[nodiscard]] bool all_ended() const;
  [[nodiscard]] const JobView* find(const std::string& id) const;  ///< null: not there
  [[nodiscard]] Time now() const { return now_; }

  void set_host(Bytes bytes) { spec_.host = bytes; }  ///< what the host takes from now on

  int swap_outs = 0;  ///< also of what was left of frozen jobs
  int freezes = 0;
  int swap_ins = 0;
  int pagings = 0;
  int most_overtaken = 0;
  std::vector<Action> kills;
  std::vector<std::string> finished;      ///< in order
  std::map<std::string, int> freezes_of;     ///< freezes by job
  std::map<int, Duration> waited;         ///< for memory, by class
  std::map<int, Bytes> faulted;           ///< hot pages that had to come in again, by class
  Time last_action{0};

 private:
  struct Job {
    JobSpec spec;
    JobView view;
    Duration done{0};
    Bytes coming = 0;
    Bytes paged = 0;
    Bytes faulted = 0;
    Bytes grown = 0;
  };

  [[nodiscard]] Bytes free() const;
  [[nodiscard]] Bytes swap_left() const;
  std::vector<Job*> in_line();
  Job* job(const std::string& id);
  void arrive();
  void compute();
  void compute(Job& job);
  void touch(Job& job, Bytes wanted, bool fault);
  void reclaim_by_kernel(Bytes bytes);
  void move();
  void move_out(Job& job, Bytes budget);
  void move_in(Job& job, Bytes budget);
  void sense();
  void act(const Action& action);
  void leave(Job& job, const Action& action);
  void bury();

  MachineSpec spec_;
  Time now_{0};
  Time next_look_{0};
  bool trigger_ = false;
  std::vector<JobSpec> to_come_;
  std::vector<Job> jobs_;
  std::uint64_t arrivals_ = 0;
  std::uint64_t stalls_ = 0;
  Bytes released_ = 0;
  GrowthMeter growth_;
  HeadroomLevel level_;
  std::map<int, PressureMeter> pressure_;
  std::map<int, Duration> cpu_;
  MemoryView memory_;
};

}  // namespace tariff::swap::test
