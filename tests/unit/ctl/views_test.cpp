// SPDX-License-Identifier: Apache-2.0
// Golden texts: what people see is reviewed like code.
#include "support/catch.h"
#include "tools/ctl/job_view.h"
#include "tools/ctl/node_view.h"
#include "tools/ctl/table.h"

using namespace tariff;
using namespace tariff::ctl;

namespace {

constexpr std::int64_t kAccepted = 1'764'000'000'123'000'000;  // 2025-11-24 16:00:00.123 UTC

v1::Job ended_job() {
  v1::Job job;
  job.set_id("ctl-1");
  job.set_function("home");
  job.set_function_version("0123456789abcdef");
  job.set_owner("local");
  job.set_class_asked("critical");
  job.set_class_run("critical");
  job.set_class_billed("critical");
  job.set_state(v1::JOB_STATE_ENDED);
  job.set_accepted_unix_ns(kAccepted);
  job.set_launched_ns(1'200'000);
  job.set_first_ran_ns(2'000'000);
  job.set_initialised_ns(5'000'000);
  job.set_initialised_by(v1::INITIALISED_MARKER);
  job.set_main_exited_ns(25'000'000);
  job.set_ended_ns(26'000'000);
  job.set_end_reason(v1::END_REASON_EXITED);
  job.set_cpu_us(18'500);
  job.set_cpu_pressure_us(700);
  job.set_memory_peak_bytes(1'048'576);
  job.set_memory_gb_seconds(0.0000272);
  job.set_memory_estimated(true);
  job.set_cost("0.037");
  job.set_result_bytes(1'836);
  job.set_stderr_bytes(120);
  job.set_uid(2'000'001);
  job.set_pid(4'711);
  job.set_leaf("class-5-critical/7");
  return job;
}

}  // namespace

TEST_CASE("columns are as wide as their widest cell and no line ends in spaces") {
  Table table({{"NAME"}, {"N", Align::Right}, {"REST"}});
  table.add({"caf\xc3\xa9", "7", ""});
  table.add({"longer name", "1234", "x"});
  CHECK(table.text() ==
        "NAME            N  REST\n"
        "caf\xc3\xa9            7\n"
        "longer name  1234  x\n");
  CHECK(Table({{"A"}}).text(2) == "  A\n");
}

TEST_CASE("a record is a timeline with the three parts of the paper's Figure 2") {
  CHECK(job_text(ended_job()) == R"(job       ctl-1
function  home  version 0123456789abcdef  owner local
class     critical
state     ended, exited with status 0
process   pid 4711  uid 2000001  cgroup class-5-critical/7

TIMELINE           AT    DELTA
accepted           +0           2025-11-24 16:00:00.123Z
launched     +1.20 ms  1.20 ms
first ran    +2.00 ms   800 us
initialised  +5.00 ms  3.00 ms  its marker
main exited  +25.0 ms  20.0 ms
ended        +26.0 ms  1.00 ms

BREAKDOWN          TIME  SHARE
setup           2.00 ms     8%  ##
initialisation  3.00 ms    12%  ###
execution       20.0 ms    77%  #######################
ending          1.00 ms     4%  #
total           26.0 ms   100%  ##############################

USAGE
CPU time          18.5 ms
waited for a CPU  700 us
memory            peak 1.00 MiB, 2.72e-05 GB-seconds (upper bound: peak x lifetime)
result            1.79 KiB
log               120 B
cost              0.037 micro-cents
)");
}

TEST_CASE("a job that waits says what has not happened yet") {
  v1::Job job = ended_job();
  job.set_state(v1::JOB_STATE_WAITING);
  job.set_class_run("bulk");
  job.set_class_asked("standard");
  job.set_first_ran_ns(0);
  job.set_initialised_ns(0);
  job.set_main_exited_ns(0);
  job.set_ended_ns(0);
  job.set_end_reason(v1::END_REASON_NONE);
  CHECK(job_text(job) == R"(job       ctl-1
function  home  version 0123456789abcdef  owner local
class     bulk (asked standard, billed critical)
state     waiting
process   pid 4711  uid 2000001  cgroup class-5-critical/7

TIMELINE           AT    DELTA
accepted           +0           2025-11-24 16:00:00.123Z
launched     +1.20 ms  1.20 ms
first ran           -           not yet
initialised         -           not yet
main exited         -           not yet
ended               -           not yet

USAGE
CPU time          18.5 ms
waited for a CPU  700 us
memory            peak 1.00 MiB, 2.72e-05 GB-seconds (upper bound: peak x lifetime)
result            1.79 KiB
log               120 B
cost              0.037 micro-cents
)");
}

TEST_CASE("each end has words of its own") {
  v1::Job job = ended_job();
  CHECK(end_words(job) == "exited with status 0");
  CHECK(succeeded(job));
  job.set_exit_status(3);
  CHECK_FALSE(succeeded(job));
  job.set_end_reason(v1::END_REASON_SIGNALED);
  job.set_signal(9);
  CHECK(end_words(job) == "killed by signal 9 (SIGKILL)");
  job.set_signal(64);
  CHECK(end_words(job) == "killed by signal 64");
  job.set_end_reason(v1::END_REASON_EXEC_FAILED);
  job.set_message("/bin/x: No such\nfile");
  CHECK(end_words(job) == "could not be executed: /bin/x: No such file");
  job.clear_message();
  for (int reason = v1::EndReason_MIN; reason <= v1::EndReason_MAX; ++reason) {
    job.set_end_reason(static_cast<v1::EndReason>(reason));
    CHECK(end_words(job).find("reason") == std::string::npos);
  }
}

TEST_CASE("without an initialised time all is execution, and parts not reached are unknown") {
  v1::Job job = ended_job();
  job.set_initialised_ns(0);
  Breakdown parts = breakdown_of(job);
  CHECK(parts.initialisation.count() < 0);
  CHECK(parts.execution.count() == 23'000'000);
  job.set_first_ran_ns(0);
  job.set_main_exited_ns(0);
  parts = breakdown_of(job);
  CHECK(parts.setup.count() < 0);
  CHECK(parts.execution.count() < 0);
  CHECK(parts.ending.count() < 0);
  CHECK(parts.total.count() == 26'000'000);
}

TEST_CASE("the list of jobs") {
  v1::Job running = ended_job();
  running.set_id("a-longer-id");
  running.set_state(v1::JOB_STATE_RUNNING);
  running.set_ended_ns(0);
  running.clear_cost();
  CHECK(jobs_text({ended_job(), running}, kAccepted + 2'000'000'000) ==
        R"(ID           FUNCTION  CLASS     STATE       AGE     TOOK      CPU   COST  END
ctl-1        home      critical  ended    2.00 s  26.0 ms  18.5 ms  0.037  exited with status 0
a-longer-id  home      critical  running  2.00 s        -  18.5 ms      -  -
)");
  CHECK(jobs_text({}, 0) == "no jobs\n");
  running.set_frozen(true);
  CHECK(jobs_text({running}, kAccepted).find("running, frozen") != std::string::npos);
}

TEST_CASE("an event is one line") {
  v1::WatchEvent event;
  *event.mutable_job() = ended_job();
  event.set_missed(3);
  CHECK(event_text(event) ==
        "(3 events missed)\n"
        "16:00:00.149  ctl-1  home  critical  exited with status 0, took 26.0 ms\n");
  event.clear_job();
  CHECK(event_text(event) == "(3 events missed)\n");
}

TEST_CASE("the status of a machine, dearest class first, and its troubles") {
  v1::StatusReply status;
  status.set_version("0.1.0");
  status.set_launcher_version("0.1.0");
  status.set_launcher_connected(true);
  status.set_cpu_enforcement("fifo");
  status.set_cpus(2);
  status.set_cpu_mode("reserved");
  status.set_system_cpus("0");
  status.set_class_cpus("1");
  status.set_cpu_reason("2 CPUs online, 1 kept for the system (cpus.reserved)");
  status.set_host_changes(37);
  status.set_host_changes_refused(2);
  status.set_uptime_ns(200'000'000'000);
  status.set_config_generation(2);
  status.set_functions(5);
  status.set_memory_total_bytes(2ull << 30);
  status.set_memory_free_bytes(1ull << 30);
  status.set_job_memory_max_bytes(1'610'612'736);
  status.set_connections(1);
  status.set_metrics_listen("127.0.0.1:9464");
  v1::ClassStatus* bulk = status.add_classes();
  bulk->set_name("bulk");
  bulk->set_rank(1);
  bulk->set_price("0.3");
  bulk->set_fifo_priority(10);
  bulk->set_waiting(12);
  v1::ClassStatus* critical = status.add_classes();
  critical->set_name("critical");
  critical->set_rank(5);
  critical->set_price("2");
  critical->set_fifo_priority(30);
  critical->set_running(1);
  critical->set_done(100);
  critical->set_failed(1);
  critical->set_latency_p50_us(25'300);
  critical->set_latency_p99_us(31'000);
  critical->set_first_wait_p99_us(1'200);
  critical->set_round_robin(true);
  critical->set_cpu_us(2'000'000);
  critical->set_memory_bytes(3'145'728);
  critical->set_cost("4");
  CHECK(status_text(status) ==
        R"(CLASS     PRICE   FIFO  RUNNING  WAITING  SWAPPED  DONE  FAILED      P50      P99  WAIT P99     CPU    MEMORY  COST
critical      2  rr 30        1        0        0   100       1  25.3 ms  31.0 ms   1.20 ms  2.00 s  3.00 MiB     4
bulk        0.3     10        0       12        0     0       0        -        -         -       0         0     0
prices in micro-cents per CPU-second, costs in micro-cents since the agent started

agent       version 0.1.0, up 3m 20s
launcher    version 0.1.0, connected
placements  accepted
CPU         2 CPUs, enforcement fifo (SCHED_FIFO, one priority per class)
CPUs        reserved: jobs on 1, all else on 0 (2 CPUs online, 1 kept for the system (cpus.reserved))
host        37 settings of this machine changed, 2 refused by the kernel (/run/tariff/host-changes.json)
memory      1.00 GiB free of 2.00 GiB, jobs at most 1.50 GiB
config      generation 2, 5 functions
clients     1 connected, 0 placements refused
metrics     http://127.0.0.1:9464/metrics
)");

  status.clear_metrics_listen();
  status.set_launcher_connected(false);
  status.set_cpu_mode("shared");
  status.set_class_cpus("0-1");
  status.set_cpu_reason("cpus.mode is shared");
  status.set_host_changes(0);
  status.set_draining(true);
  status.set_insecure_tcp(true);
  status.set_tcp_listen("127.0.0.1:7070");
  status.set_tls_listen("[::]:7443");
  status.set_tls_connections(3);
  status.set_certificate_expires_unix_ns(1'769'860'800'000'000'000);
  status.set_tls_handshakes_failed(7);
  status.set_config_error("tariffd.yaml:3:1: unknown key");
  status.add_config_needs_restart("sockets.agent");
  status.add_warnings("somebody else wrote cpu.max in our subtree");
  const std::string text = status_text(status);
  CHECK(text.substr(text.find("launcher")) ==
        R"(launcher       NOT CONNECTED: placements are refused (systemctl status tariff-launcher)
placements     refused: DRAINING (tariffctl drain --undo)
CPU            2 CPUs, enforcement fifo (SCHED_FIFO, one priority per class)
CPUs           shared: jobs and all else on 0-1 (cpus.mode is shared)
memory         1.00 GiB free of 2.00 GiB, jobs at most 1.50 GiB
config         generation 2, 5 functions
clients        1 connected, 0 placements refused
metrics        not served
config error   tariffd.yaml:3:1: unknown key (the last good one is in use)
needs restart  sockets.agent
TLS            [::]:7443, 3 connected, certificate until 2026-01-31; 7 handshakes failed, 0 connections refused
INSECURE TCP   127.0.0.1:7070: no authentication there
warning        somebody else wrote cpu.max in our subtree
)");
}

TEST_CASE("the load of a machine") {
  v1::PollReply poll;
  poll.set_memory_free_bytes(1ull << 30);
  v1::ClassLoad* bulk = poll.add_classes();
  bulk->set_price_class("bulk");
  bulk->set_running(2);
  bulk->set_waiting(10);
  v1::ClassLoad* critical = poll.add_classes();
  critical->set_price_class("critical");
  critical->set_swapped(1);
  CHECK(jobs_on(poll) == 13);
  CHECK(load_text(poll) == "2 running, 10 waiting, 1 swapped; 1.00 GiB free");
  CHECK(poll_text(poll) ==
        R"(CLASS     RUNNING  WAITING  SWAPPED
critical        0        0        1
bulk            2       10        0
1.00 GiB free
)");
}

TEST_CASE("the functions of a machine") {
  v1::FunctionsReply functions;
  CHECK(functions_text(functions) ==
        "no functions (an administrator puts them into /etc/tariff/functions.d)\n");
  v1::FunctionInfo* home = functions.add_functions();
  home->set_name("home");
  home->set_version("0123456789abcdef");
  home->set_price_class("critical");
  home->set_owner("local");
  home->add_argv("/usr/lib/tariff/examples/web/page");
  home->add_argv("home");
  home->set_timeout_ms(5'000);
  home->set_result_max_bytes(1'048'576);
  home->set_source("web.yaml:3");
  CHECK(functions_text(functions) ==
        "FUNCTION  CLASS     OWNER  TIMEOUT  CPU TIMEOUT  MEMORY MAX  RESULT MAX  "
        "VERSION           COMMAND                                 SOURCE\n"
        "home      critical  local   5.00 s            -           -    1.00 MiB  "
        "0123456789abcdef  /usr/lib/tariff/examples/web/page home  web.yaml:3\n");
}
