/* SPDX-License-Identifier: Apache-2.0
 * For functions in C and C++: payload on stdin, result on stdout, logs on stderr, exit status.
 * Optional: call tariff_ready() when initialisation is over (libraries loaded, data read) and
 * before the payload is read; the record then tells initialisation from execution. Without it the
 * first read of stdin counts as the end of initialisation. Outside Tariff it does nothing. */
#ifndef TARIFF_H
#define TARIFF_H

#include <stdlib.h>
#include <unistd.h>

static inline void tariff_ready(void) {
  const char *fd = getenv("TARIFF_READY_FD");
  if (fd != NULL && write(atoi(fd), "", 1) == 1) unsetenv("TARIFF_READY_FD"); /* once is enough */
}

#endif
