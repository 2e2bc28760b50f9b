// SPDX-License-Identifier: Apache-2.0
// tariffctl's commands: plain functions from options to an exit status. main.cpp parses the
// command line into these options; each command is in the file named after its noun.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/ctl/endpoint.h"
#include "tools/ctl/json_view.h"

namespace tariff::ctl {

struct Globals {
  Endpoint endpoint;
  bool json = false;
  std::chrono::milliseconds timeout{30'000};
};

struct RunOptions {
  std::string function;
  std::string id;  ///< empty: one is made here, so that Place may be repeated
  std::optional<std::string> payload;
  std::optional<std::string> payload_file;  ///< "-" is standard input
  std::optional<std::chrono::milliseconds> deadline;
  bool detach = false;
  bool keep = false;     ///< leave record and result with the agent
  bool verbose = false;  ///< the record on stderr
};

struct WaitOptions {
  std::string id;
  bool keep = false;
  bool verbose = false;
};

struct JobsOptions {
  bool all = false;
  std::string price_class;
  std::string function;
  int limit = 0;  ///< 0: no limit
};

struct LogsOptions {
  std::string id;
  bool follow = false;
};

struct DrainOptions {
  bool undo = false;
  bool wait = false;
};

struct CheckConfigOptions {
  std::string file = "/etc/tariff/tariffd.yaml";
  bool diff = false;
};

struct TopOptions {
  std::chrono::milliseconds delay{1'000};
  bool once = false;
};

struct EventsOptions {
  bool follow = false;
  std::string price_class;
  std::string function;
};

struct DoctorOptions {
  std::string config = "/etc/tariff/tariffd.yaml";
  bool all = false;     ///< also what is in order
  bool strict = false;  ///< a warning is as bad as a fault
};

// doctor_command.cpp
int doctor_command(const Globals& globals, const DoctorOptions& options);
// words_command.cpp
int words_command(const Globals& globals, const std::string& kind);
// top_command.cpp
int top_command(const Globals& globals, const TopOptions& options);
// events_command.cpp
int events_command(const Globals& globals, const EventsOptions& options);
// node_commands.cpp
int status_command(const Globals& globals);
int poll_command(const Globals& globals);
int functions_command(const Globals& globals);
int drain_command(const Globals& globals, const DrainOptions& options);
int version_command(const Globals& globals);
// run_command.cpp
int run_command(const Globals& globals, const RunOptions& options);
int wait_command(const Globals& globals, const WaitOptions& options);
// job_commands.cpp
int jobs_command(const Globals& globals, const JobsOptions& options);
int job_command(const Globals& globals, const std::string& id);
int cancel_command(const Globals& globals, const std::vector<std::string>& ids);
int freeze_command(const Globals& globals, const std::vector<std::string>& ids);
int thaw_command(const Globals& globals, const std::vector<std::string>& ids);
int watch_command(const Globals& globals, const std::string& id);
// logs_command.cpp
int logs_command(const Globals& globals, const LogsOptions& options);
// check_config_command.cpp
int check_config_command(const Globals& globals, const CheckConfigOptions& options);

// output.cpp: standard output and standard error are written here only.
/// A message as JSON or as the text made for people.
void print(const Globals& globals, const Json& json, const std::string& text);
/// Bytes as they are. An error (a full disk, a closed pipe) names standard output.
Status print_raw(std::string_view bytes);
void say(const std::string& text);               ///< "tariffctl: text" on standard error
void print_error_text(const std::string& text);  ///< as it is, on standard error
/// Reports a failure (with --json on standard output as {"error": ...}) and returns its Exit.
int fail(const Globals& globals, const Error& error);
/// The same with the number given.
int fail(const Globals& globals, const Error& error, int exit);

}  // namespace tariff::ctl
