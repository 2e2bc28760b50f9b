// SPDX-License-Identifier: Apache-2.0
// The low descriptor numbers that the launcher keeps free of its own: a child takes them along
// (clone.h). main() occupies them all before anything else is opened.
#pragma once

namespace tariff::launcher {

/// 0..4 become the job's: stdin, stdout, stderr, the marker, the trampoline's channel.
constexpr int kReadyFd = 3;
constexpr int kStatusFd = 4;
/// 5 is the trampoline, then a band of five for each of eight threads that clone.
constexpr int kTrampolineFd = kStatusFd + 1;
constexpr int kBandFds = kStatusFd + 1;
constexpr int kBands = 8;
constexpr int kReservedFds = kTrampolineFd + 1 + kBands * kBandFds;

}  // namespace tariff::launcher
