/* SPDX-License-Identifier: Apache-2.0
 * spin: pure CPU load of a known size, for tests and benches.
 *   payload  cpu_ms=100           until the process has used 100 ms of CPU time: the same bill on
 *                                 every machine, however long it waits
 *            iterations=1000000   a fixed amount of work: the time tells how fast the machine is
 *            empty                cpu_ms=100
 *   result   iterations=N cpu_ms=T checksum=X
 * Exit status 2: the payload is none of these. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "examples/helpers/tariff.h"

/* Between two looks at the clock: some 20 us of work on a fast machine. */
static const uint64_t kChunk = 10000;

static double cpu_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint64_t work(uint64_t state, uint64_t count) { /* xorshift64 */
  while (count-- > 0) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state;
}

int main(void) {
  char payload[64];
  uint64_t iterations = 0, wanted = 0, wanted_ms = 100, state = 88172645463325252u;
  size_t length;

  tariff_ready();
  length = fread(payload, 1, sizeof payload - 1, stdin);
  payload[length] = '\0';
  if (length > 0 && sscanf(payload, "cpu_ms=%" SCNu64, &wanted_ms) != 1) {
    if (sscanf(payload, "iterations=%" SCNu64, &wanted) != 1) {
      fputs("the payload is neither cpu_ms=N nor iterations=N\n", stderr);
      return 2;
    }
    wanted_ms = 0;
  }
  while (iterations < wanted || cpu_ms() < (double)wanted_ms) {
    const uint64_t left = wanted - iterations;
    const uint64_t count = wanted > 0 && left < kChunk ? left : kChunk;
    state = work(state, count);
    iterations += count;
  }
  printf("iterations=%" PRIu64 " cpu_ms=%.3f checksum=%016" PRIx64 "\n", iterations, cpu_ms(),
         state);
  return fflush(stdout) != 0;
}
