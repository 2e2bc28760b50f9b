# SPDX-License-Identifier: Apache-2.0
"""Hogs every CPU with jobs of the highest class that ignore TERM, and leaves: tools/test then powers
the guest off as an administrator would, and measures how long that takes."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import FUNCTIONS, job_pids, place, systemctl, wait_until  # noqa: E402

HOG = """functions:
  - {name: poweroff-hog, class: critical, argv: [/bin/sh, -c, 'trap "" TERM; while :; do :; done']}
"""


def main():
    # The jobs are to starve systemd, not this script.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(57))
    (FUNCTIONS / "poweroff.yaml").write_text(HOG)
    systemctl("reload", "tariffd")
    for _ in range(2 * os.cpu_count()):
        place("poweroff-hog")
    wait_until(lambda: len(job_pids()) == 2 * os.cpu_count(), what="the hogs")
    time.sleep(2)
    print(f"{len(job_pids())} jobs hog {os.cpu_count()} CPUs", flush=True)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


if __name__ == "__main__":
    main()
