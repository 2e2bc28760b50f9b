// SPDX-License-Identifier: Apache-2.0
// Puts a CPU plan into effect on the machine around us, and takes it back: services, kernel
// threads, work queues and interrupts leave the class CPUs (reserved) or get back what they had
// (shared).
//
//   Host host(knobs, kHostRecord);
//   auto outcome = host.apply(plan);   // plan.reserved: keep all off the class CPUs; else undo
//
// What is undone is only what still has the value that we gave it: who changed it since meant it.
// Blocks (D-Bus, locks of the kernel): for the agent's worker thread, or a program of its own
// (tariffd --undo-host-changes). Errors: what could not be done is listed, never fatal.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "agent/cpu_plan.h"
#include "agent/host_changes.h"
#include "base/result.h"

namespace tariff::agent {

/// The machine's knobs; a fake in tests.
class HostKnobs {
 public:
  virtual ~HostKnobs() = default;
  struct Reading {
    Knob knob;
    std::string value;
  };
  /// Every knob that reserving concerns, with its value; `complaints` gets what could not be
  /// listed.
  virtual std::vector<Reading> list(std::vector<std::string>& complaints) = 0;
  /// NotFound: it is gone, and with it the change.
  virtual Result<std::string> read(const Knob& knob) = 0;
  virtual Status write(const Knob& knob, const std::string& value) = 0;
};

class Host {
 public:
  struct Outcome {
    HostRecord record;
    std::vector<std::string> complaints;  ///< for log and operator: part is not in effect
  };

  Host(HostKnobs& knobs, std::string record_path)
      : knobs_(knobs), path_(std::move(record_path)) {}

  Outcome apply(const CpuPlan& plan);

  /// Makes apply() and undo() on another thread end soon, with the rest undone: the program stops.
  void hurry() { hurried_ = true; }

  /// Undoes all that is recorded and, if that went well, removes the record.
  Outcome undo();

 private:
  HostRecord recorded(Outcome& outcome);
  void carry_out(const std::vector<Wish>& wishes, const std::vector<HostChange>& before,
                 Outcome& outcome);
  void take_back(const std::vector<HostChange>& changes, Outcome& outcome);
  void keep(Outcome& outcome);

  HostKnobs& knobs_;
  std::string path_;
  std::atomic<bool> hurried_ = false;
};

}  // namespace tariff::agent
