// SPDX-License-Identifier: Apache-2.0
// tariffd: the node agent. See tariffd(8).
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "agent/host_record.h"
#include "agent/psimon.h"
#include "agent/log.h"
#include "agent/machine_knobs.h"
#include "agent/node.h"
#include "agent/only_one.h"
#include "agent/reload_command.h"
#include "agent/settings.h"
#include "base/crash_point.h"
#include "config/diff.h"
#include "config/load.h"

namespace {

using namespace tariff;

struct Arguments {
  agent::NodeOptions node;
  bool check_config = false;
  bool diff = false;
  bool debug = false;
  bool undo_host_changes = false;
  int reload_pid = 0;
};

/// What would change if the checked configuration took effect now.
void print_diff(const config::NodeConfig& wanted) {
  auto running = config::load_node_config(agent::kRunningConfig);
  if (!running.value) {
    std::puts("no agent runs here; compared with the defaults:");
    running = config::parse_node_config("{}", "defaults");
  }
  const std::string changes = config::render(config::diff(*running.value, wanted));
  std::fputs(changes.empty() ? "nothing changes\n" : changes.c_str(), stdout);
}

/// Exit status 0: fine; 1: the configuration has errors (2 is a usage error).
int check_config(const Arguments& arguments) {
  const auto loaded = agent::load_settings(arguments.node.config_path);
  std::fputs(loaded.report.c_str(), stderr);
  if (!loaded.value) return 1;
  std::printf("%s: %zu classes, %zu functions, no errors\n", arguments.node.config_path.c_str(),
              loaded.value->config.classes.size(), loaded.value->functions.size());
  if (arguments.diff) print_diff(loaded.value->config);
  return 0;
}

/// What the agent changed on the machine, undone without it: for tariff-host.service.
int undo_host_changes() {
  agent::put_back();
  agent::SystemdLink systemd;
  agent::MachineKnobs knobs(systemd);
  const auto outcome = agent::Host(knobs, agent::kHostRecord).undo();
  for (const auto& text : outcome.complaints) std::fprintf(stderr, "<4>%s\n", text.c_str());
  return outcome.record.changes.empty() ? 0 : 1;
}

int serve(const Arguments& arguments) {
  auto loaded = agent::load_settings(arguments.node.config_path);
  if (!loaded.value) {
    std::fputs(loaded.report.c_str(), stderr);
    std::fputs("<3>tariffd does not start with a configuration that has errors\n", stderr);
    return 1;
  }
  const auto only_one = agent::be_the_only_agent(loaded.value->config.sockets.launcher);
  if (!only_one) {
    std::fprintf(stderr, "<3>tariffd does not start: %s\n", only_one.error().text().c_str());
    return 1;
  }
  agent::start_log(arguments.debug ? agent::LogLevel::Debug : agent::LogLevel::Info);
  if (!loaded.report.empty()) agent::log(agent::LogLevel::Warning, loaded.report);
  int status = 1;
  {
    boost::asio::io_context io(1);
    agent::Node node(io, arguments.node, std::move(*loaded.value));
    boost::asio::co_spawn(io, node.run(), [&](std::exception_ptr failure, int result) {
      status = result;
      if (failure) std::rethrow_exception(failure);  // a bug of ours: systemd restarts us
    });
    io.run();
  }
  agent::stop_log();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  crash_points_from_environment();
  std::signal(SIGPIPE, SIG_IGN);
  Arguments arguments;
  arguments.node.version = TARIFF_VERSION;
  CLI::App app{"tariffd: the Tariff agent. Runs functions by price class on this machine."};
  app.add_option("--config", arguments.node.config_path, "configuration file")
      ->capture_default_str();
  auto* check = app.add_flag("--check-config", arguments.check_config,
                             "check configuration and functions, then exit");
  app.add_flag("--diff", arguments.diff, "also say what differs from what the agent runs now")
      ->needs(check);
  app.add_option("--reload", arguments.reload_pid,
                 "check the files, make the agent with this pid reload them, wait until it has");
  app.add_flag("--undo-host-changes", arguments.undo_host_changes,
               "undo what is recorded in /run/tariff/host-changes.json, then exit");
  app.add_flag("--debug", arguments.debug, "log the end of every job");
  app.set_version_flag("--version", std::string(TARIFF_VERSION));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (arguments.undo_host_changes) return undo_host_changes();
  if (arguments.reload_pid > 0)
    return agent::reload_command(arguments.node.config_path, arguments.reload_pid);
  return arguments.check_config ? check_config(arguments) : serve(arguments);
}
