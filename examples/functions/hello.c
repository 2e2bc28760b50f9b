/* SPDX-License-Identifier: Apache-2.0
 * hello: sleeps 20 ms and says hello. The benchmark of the paper's Section 2: all that it takes
 * beyond 20 ms is the platform's doing. Payload: whom to greet. */
#include <stdio.h>
#include <time.h>

#include "examples/helpers/tariff.h"

int main(void) {
  char name[65];
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = 20 * 1000 * 1000};
  size_t length;

  tariff_ready();
  length = fread(name, 1, sizeof name - 1, stdin);
  while (length > 0 && name[length - 1] == '\n') --length;
  name[length] = '\0';
  nanosleep(&pause, NULL);
  return printf("hello, %s\n", length > 0 ? name : "world") < 0 || fflush(stdout) != 0;
}
