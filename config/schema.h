// SPDX-License-Identifier: Apache-2.0
// What an operator can say, as plain data: the node's configuration (/etc/tariff/tariffd.yaml) and
// the functions it may run (/etc/tariff/functions.d/*.yaml). Loading and checking is in
// config/load.h; this header needs the standard library only, so that policies can use it.
// Every field has its unit, default and range here; "not set" is an empty optional, never a
// sentinel.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/money.h"

namespace tariff::config {

/// How classes are enforced on the CPU. Fifo is the product; the other two exist so that it can be
/// compared on the same machine with what people use instead (tools/demo, tools/bench).
enum class CpuEnforcement {
  Fifo,    ///< SCHED_FIFO, one priority per class (the paper's machine scheduler)
  Weight,  ///< SCHED_OTHER, cpu.weight from 1 (lowest class) to 10000 (highest)
  None,    ///< SCHED_OTHER, all equal
};

/// Whether classes and system have CPUs of their own (agent/cpu_plan.h).
enum class CpuMode {
  Auto,      ///< reserved if at least one CPU is left for jobs
  Reserved,  ///< the same, and a warning if not
  Shared,
};

struct Cpus {
  CpuMode mode = CpuMode::Auto;
  int reserved = 1;  ///< how many CPUs jobs never run on, 1..1024

  bool operator==(const Cpus&) const = default;
};

/// One row of the tariff. Rank is the position by price: 1 is the cheapest. Equal prices are an
/// error, since price is the order.
struct PriceClass {
  std::string name;                             ///< [a-z][a-z0-9-]{0,31}
  Price price;                                  ///< micro-cents per CPU-second, > 0
  int rank = 0;                                 ///< 1..n, set by the loader
  int fifo_priority = 0;                        ///< within FifoBands::classes; given or spread
  std::optional<std::uint64_t> swap_max_bytes;  ///< memory.swap.max of the class cgroup
  std::optional<std::uint64_t> pids_max;        ///< pids.max of the class cgroup
  bool round_robin = false;                     ///< SCHED_RR: a slice each instead of first come

  bool operator==(const PriceClass&) const = default;
};

/// SCHED_FIFO priorities (design: threaded IRQs 50 and psimon's 52 stay between the two halves).
struct FifoBands {
  int classes_low = 10;   ///< lowest class priority, 1..49
  int classes_high = 39;  ///< highest class priority; classes are at least 2 apart
  int boost = 54;         ///< jobs while they are frozen or killed by us
  int workers = 56;       ///< leaf pool and swap workers
  int launcher = 58;
  int agent = 60;         ///< the agent's loop; nothing is at 99

  bool operator==(const FifoBands&) const = default;
};

struct Sockets {
  std::string agent = "/run/tariff/agent.sock";
  std::string launcher = "/run/tariff/launcher.sock";
  std::optional<std::string> tcp_listen;  ///< "127.0.0.1:7070"; loopback only
  bool insecure_tcp = false;              ///< must be true for tcp_listen: no authentication there

  bool operator==(const Sockets&) const = default;
};

/// Callers on other machines: TLS, both ends certified. Files are PEM, absolute paths.
struct Tls {
  std::string listen;  ///< "0.0.0.0:7443" or "[::]:7443"
  std::string certificate;
  std::string key;
  std::string client_ca;  ///< whoever it certified may connect; roles are in the certificates
  std::string crl;        ///< empty: no revocation list

  bool operator==(const Tls&) const = default;
};

/// Bounds on everything a user controls.
struct Limits {
  std::uint64_t max_frame_bytes = 4'194'304;          ///< ttrpc's own maximum, 4 MiB
  int max_streams_per_connection = 256;               ///< open calls on one connection
  std::uint64_t max_queued_bytes_per_connection = 16'777'216;  ///< replies not yet read by a peer
  int max_connections = 1'024;
  int max_jobs = 4'096;                               ///< placed and not ended
  std::uint64_t result_retention_bytes = 268'435'456; ///< results and payloads of ended jobs
  std::chrono::seconds result_retention{600};         ///< how long an ended job is kept
  std::uint64_t stderr_bytes_per_second = 65'536;     ///< per job, relayed to the journal
  std::uint64_t memory_reserve_bytes = 0;             ///< 0 = max(10% of RAM, 512 MiB) for the host
  int leaf_pool = 16;                                 ///< ready leaves per class
  std::chrono::milliseconds kill_grace{2'000};        ///< between TERM and KILL

  bool operator==(const Limits&) const = default;
};

/// The page for Prometheus.
struct Metrics {
  /// "127.0.0.1:9464" (loopback only, nobody is asked who they are) or an absolute path of a Unix
  /// socket for group `tariff`; empty: off.
  std::optional<std::string> listen = "127.0.0.1:9464";

  bool operator==(const Metrics&) const = default;
};

/// Each running job has a uid of its own out of [first, first + count).
struct UidRange {
  std::uint32_t first = 2'000'000;
  std::uint32_t count = 65'536;

  bool operator==(const UidRange&) const = default;
};

struct NodeConfig {
  std::vector<PriceClass> classes;  ///< by rank, lowest first; at least one
  Price memory_price;               ///< micro-cents per resident GB-second, default 0
  CpuEnforcement cpu_enforcement = CpuEnforcement::Fifo;
  FifoBands fifo;
  Cpus cpus;
  Sockets sockets;
  std::optional<Tls> tls;  ///< absent: no TLS
  Limits limits;
  UidRange uids;
  Metrics metrics;
  std::string functions_directory = "/etc/tariff/functions.d";

  bool operator==(const NodeConfig&) const = default;
};

/// A registered handler.
struct Function {
  std::string name;                                ///< [a-z][a-z0-9-]{0,62}
  std::string version;                             ///< 16 hex digits, a digest of all fields below
  std::vector<std::string> argv;                   ///< argv[0] is an absolute path
  std::string price_class;
  std::string owner = "local";                     ///< tenant
  std::map<std::string, std::string> env;
  std::string working_directory = "/tmp";          ///< absolute
  std::optional<std::chrono::milliseconds> timeout;      ///< since first ran, less time frozen
  std::optional<std::chrono::milliseconds> cpu_timeout;  ///< CPU time of the whole leaf
  std::optional<std::uint64_t> memory_max_bytes;   ///< memory.max; unset: no limit (the paper, 3.1)
  std::uint64_t pids_max = 512;
  std::uint64_t result_max_bytes = 1'048'576;      ///< at most 4 MB, so that a result fits a frame
  std::string source;                              ///< "file:line" it was read from

  bool operator==(const Function&) const = default;
};

}  // namespace tariff::config
