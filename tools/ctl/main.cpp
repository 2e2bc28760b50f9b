// SPDX-License-Identifier: Apache-2.0
// tariffctl: the command line, parsed into the options of commands.h.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <utility>

#include "tools/ctl/commands.h"
#include "tools/ctl/failure.h"
#include "tools/ctl/units.h"

namespace tariff::ctl {
namespace {

using std::chrono::milliseconds;

/// Everything the command line can say, and what to do then.
struct CommandLine {
  Globals globals;
  RunOptions run;
  WaitOptions wait;
  JobsOptions jobs;
  LogsOptions logs;
  DrainOptions drain;
  CheckConfigOptions check_config;
  DoctorOptions doctor;
  TopOptions top;
  std::string words_kind;
  std::string words_of;
  EventsOptions events;
  std::string job_id;
  std::string watch_id;
  std::vector<std::string> ids;  ///< of cancel, freeze and thaw
  std::function<int()> command;
};

/// An option that takes a duration; CLI11 reports what parse_duration says.
void add_duration(CLI::App& app, const std::string& name, std::function<void(milliseconds)> set,
                  const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [name, set = std::move(set)](const std::string& text) {
           const auto duration = parse_duration(text);
           if (!duration) throw CLI::ValidationError(name, duration.error().text());
           set(*duration);
         },
         help)
      ->type_name("DURATION");
}

CLI::App* add_command(CLI::App& app, CommandLine& line, const std::string& name,
                      const std::string& help, std::function<int()> command) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->fallthrough();  // --json and the other general options also after the command
  sub->callback([&line, command = std::move(command)] { line.command = command; });
  return sub;
}

void add_node_commands(CLI::App& app, CommandLine& line) {
  const Globals& globals = line.globals;
  add_command(app, line, "status", "What the machine does, per class", [&globals] {
    return status_command(globals);
  });
  add_command(app, line, "poll", "The load in brief, as a scheduler asks for it", [&globals] {
    return poll_command(globals);
  });
  add_command(app, line, "functions", "The functions that this machine may run", [&globals] {
    return functions_command(globals);
  });
  CLI::App* drain = add_command(app, line, "drain", "Refuse placements from now on (root)",
                                [&line] { return drain_command(line.globals, line.drain); });
  drain->add_flag("--undo", line.drain.undo, "Take placements again");
  drain->add_flag("--wait", line.drain.wait, "Return when no job is left");
  add_command(app, line, "version", "Versions of this program and of the agent", [&globals] {
    return version_command(globals);
  });
  CLI::App* check = add_command(app, line, "check-config", "Check a configuration file", [&line] {
    return check_config_command(line.globals, line.check_config);
  });
  check->add_option("FILE", line.check_config.file, "Default " + line.check_config.file);
  CLI::App* doctor = add_command(app, line, "doctor", "Whether this machine is fit, and why",
                                 [&line] { return doctor_command(line.globals, line.doctor); });
  doctor->add_flag("--all", line.doctor.all, "Also show what is in order");
  doctor->add_flag("--strict", line.doctor.strict, "A warning makes the machine unfit, too");
  doctor->add_option("--config", line.doctor.config, "Default " + line.doctor.config);
  check->add_flag("--diff", line.check_config.diff, "Say what would change for the running agent");
}

void add_views(CLI::App& app, CommandLine& line) {
  CLI::App* top = add_command(app, line, "top", "What the classes do, live; q quits",
                              [&line] { return top_command(line.globals, line.top); });
  top->add_flag("--once", line.top.once, "One frame, and no more; so without a terminal");
  add_duration(*top, "--delay", [&line](milliseconds value) { line.top.delay = value; },
               "Time between two frames; default 1s");
  CLI::App* events = add_command(app, line, "events", "What happened to jobs, a line each",
                                 [&line] { return events_command(line.globals, line.events); });
  events->add_flag("-f,--follow", line.events.follow, "Only what happens from now on, for ever");
  events->add_option("--class", line.events.price_class, "Only jobs of this class");
  events->add_option("--function", line.events.function, "Only jobs of this function");
}

void add_run_commands(CLI::App& app, CommandLine& line) {
  RunOptions& options = line.run;
  CLI::App* run = add_command(app, line, "run", "Place a job, wait and print its result",
                              [&line] { return run_command(line.globals, line.run); });
  run->add_option("FUNCTION", options.function, "Name of the function")->required();
  // A function, not a binding to the optional: that would take an empty text for "not given".
  auto* payload = run->add_option_function<std::string>(
      "--payload", [&options](const std::string& text) { options.payload = text; },
      "Payload as text");
  run->add_option("--payload-file", options.payload_file,
                  "Payload from a file; - is standard input, the default if it is no terminal")
      ->excludes(payload);
  run->add_option("--id", options.id, "Job id: 1 to 64 of A-Z a-z 0-9 . _ -");
  add_duration(*run, "--deadline", [&options](milliseconds value) { options.deadline = value; },
               "End the job if it has not ended so long after it was accepted");
  run->add_flag("--detach", options.detach, "Print the id and do not wait");
  run->add_flag("--keep", options.keep, "Leave result and record with the agent");
  run->add_flag("--verbose", options.verbose, "Print the record on standard error");

  CLI::App* wait = add_command(app, line, "wait", "Wait for a job and print its result",
                               [&line] { return wait_command(line.globals, line.wait); });
  wait->add_option("ID", line.wait.id)->required();
  wait->add_flag("--keep", line.wait.keep, "Leave result and record with the agent");
  wait->add_flag("--verbose", line.wait.verbose, "Print the record on standard error");
}

void add_job_commands(CLI::App& app, CommandLine& line) {
  CLI::App* jobs = add_command(app, line, "jobs", "The jobs on this machine, newest first",
                               [&line] { return jobs_command(line.globals, line.jobs); });
  jobs->add_flag("--all", line.jobs.all, "Also those that have ended");
  jobs->add_option("--class", line.jobs.price_class, "Only jobs of this class");
  jobs->add_option("--function", line.jobs.function, "Only jobs of this function");
  jobs->add_option("--limit", line.jobs.limit, "At most so many")->check(CLI::PositiveNumber);

  CLI::App* job = add_command(app, line, "job", "One job's record as a timeline",
                              [&line] { return job_command(line.globals, line.job_id); });
  job->add_option("ID", line.job_id)->required();

  CLI::App* logs = add_command(app, line, "logs", "What a job wrote to its standard error",
                               [&line] { return logs_command(line.globals, line.logs); });
  logs->add_option("ID", line.logs.id)->required();
  logs->add_flag("-f,--follow", line.logs.follow, "Go on until the job has ended");

  CLI::App* cancel = add_command(app, line, "cancel", "End jobs: TERM, later KILL",
                                 [&line] { return cancel_command(line.globals, line.ids); });
  cancel->add_option("ID", line.ids)->required();

  CLI::App* freeze = add_command(app, line, "freeze", "Stop jobs where they are, until thaw (root)",
                                 [&line] { return freeze_command(line.globals, line.ids); });
  freeze->add_option("ID", line.ids)->required();
  CLI::App* thaw = add_command(app, line, "thaw", "Let frozen jobs go on (root)",
                               [&line] { return thaw_command(line.globals, line.ids); });
  thaw->add_option("ID", line.ids)->required();

  CLI::App* watch = add_command(app, line, "watch", "Every change of state, of all jobs or of one",
                                [&line] { return watch_command(line.globals, line.watch_id); });
  watch->add_option("ID", line.watch_id, "Only this job, until it has ended");
}

/// What the shell's completion asks for: the words that may come next, a line each. Those of the
/// command line itself are taken from it, so that they cannot differ.
void add_completion(CLI::App& app, CommandLine& line) {
  CLI::App* words = add_command(app, line, "complete-words", "For the shell's completion", [&] {
    if (line.words_kind != "commands" && line.words_kind != "options")
      return words_command(line.globals, line.words_kind);
    std::string out;
    const auto shown = [](const CLI::App* command) { return !command->get_group().empty(); };
    if (line.words_kind == "commands")
      for (const CLI::App* command : app.get_subcommands(shown)) out += command->get_name() + "\n";
    const auto add_options = [&out](const CLI::App* command) {
      for (const CLI::Option* option : command->get_options())
        for (const auto& name : option->get_lnames()) out += "--" + name + "\n";
    };
    if (line.words_kind == "options") {
      add_options(&app);
      for (const CLI::App* command : app.get_subcommands(shown))
        if (command->get_name() == line.words_of) add_options(command);
    }
    return print_raw(out).has_value() ? 0 : static_cast<int>(Exit::Failed);
  });
  words->add_option("KIND", line.words_kind)->required();
  words->add_option("COMMAND", line.words_of);
  words->group("");  // not in --help: it is no command for people
}

/// The first word that is no option nor the value of one; CLI11 says only that a command lacks.
std::string first_word(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool takes_value = word == "--socket" || word == "--connect" || word == "--timeout" ||
                             word == "--cert" || word == "--key" || word == "--ca";
    if (takes_value) ++i;
    else if (word.empty() || word[0] != '-') return word;
  }
  return {};
}

int usage_error(const CLI::App& app, const CLI::ParseError& error, const std::string& word) {
  const auto named = [&](const CLI::App* command) { return command->get_name() == word; };
  if (!word.empty() && app.get_subcommands(named).empty())
    say("there is no command \"" + word + "\": tariffctl --help lists them");
  else
    app.exit(error);
  return static_cast<int>(Exit::Usage);
}

int run_command_line(int argc, char** argv) {
  CommandLine line;
  if (const char* socket = std::getenv("TARIFF_SOCKET"); socket != nullptr && *socket != '\0')
    line.globals.endpoint.address = socket;
  CLI::App app{"tariffctl: run functions by price class on this machine, and see what it does",
               "tariffctl"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("tariffctl " TARIFF_VERSION));
  Endpoint& endpoint = line.globals.endpoint;
  app.add_option("--socket,--connect", endpoint.address,
                 "Path, address:port or tls://host:port; default $TARIFF_SOCKET or " +
                     Endpoint().address);
  app.add_option("--cert", endpoint.certificate, "Our certificate, for tls://")
      ->envname("TARIFF_CERT");
  app.add_option("--key", endpoint.key, "Its key")->envname("TARIFF_KEY");
  app.add_option("--ca", endpoint.ca, "Who has certified the agent")->envname("TARIFF_CA");
  app.add_flag("--json", line.globals.json, "JSON instead of tables");
  add_duration(app, "--timeout", [&line](milliseconds value) { line.globals.timeout = value; },
               "How long to wait for an answer, and for an agent that is away; default 30s");
  add_node_commands(app, line);
  add_views(app, line);
  add_run_commands(app, line);
  add_job_commands(app, line);
  add_completion(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, first_word(argc, argv));
  }
  return line.command();
}

}  // namespace
}  // namespace tariff::ctl

int main(int argc, char** argv) {
  try {
    return tariff::ctl::run_command_line(argc, argv);
  } catch (const std::exception& exception) {
    tariff::ctl::say(std::string("failed: ") + exception.what());
    return static_cast<int>(tariff::ctl::Exit::Failed);
  }
}
