// SPDX-License-Identifier: Apache-2.0
// What a waiting trampoline is told once there is a job for it: its options, the handler's command
// line and environment, as one packet on its channel.
//
//   u32 words, u32 variables, then that many strings, each with its zero byte
//
// Host byte order: both ends are of one build (the launcher carries the trampoline in a memfd; an
// upgrade drops those that wait). Standard library only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tariff::launcher {

/// Longer than any launch that the protocol can carry (kLargestPacket of connection.h is 256 KiB).
constexpr std::size_t kLargestExecJob = (256 << 10) + (16 << 10);
/// Each string takes two bytes at least, with the protocol's length before it.
constexpr std::size_t kMostExecStrings = (256 << 10) / 2 + 64;

struct ExecJob {
  int argc = 0;
  char** argv = nullptr;         ///< `argc` words, then a null pointer
  char** environment = nullptr;  ///< ends with a null pointer
};

/// No string may have a zero byte in it.
std::string exec_job_packet(const std::vector<std::string>& words,
                            const std::vector<std::string>& environment);

/// The other way, without allocation: `strings` has room for `room` pointers into `bytes`, the two
/// at the ends included. False: it is not such a packet.
bool split_exec_job(char* bytes, std::size_t size, char** strings, std::size_t room, ExecJob& job);

}  // namespace tariff::launcher
