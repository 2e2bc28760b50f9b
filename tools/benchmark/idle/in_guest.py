# SPDX-License-Identifier: Apache-2.0
"""What jobs that sleep cost: memory of agent and launcher, and how often they wake up."""
import argparse
import json
import os
import pathlib
import subprocess
import time

import functions
from agent_client import Agent

UNITS = ("tariffd.service", "tariff-launcher.service")
SLEEPER = "  - {name: bench-sleep, class: standard, argv: [/bin/sleep, '100000']}\n"
SETTLE_S = 20


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} has no VmRSS")


def switches(pid):
    """Voluntary context switches by thread: each is a wake-up that ended."""
    counts = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text().splitlines()
        name = next(line.split()[1] for line in status if line.startswith("Name:"))
        count = next(int(line.split()[1]) for line in status
                     if line.startswith("voluntary_ctxt_switches:"))
        counts[f"{name}/{task.name}"] = count
    return counts


def look(pids, seconds):
    before = {unit: switches(pid) for unit, pid in pids.items()}
    start = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - start
    figures = {}
    for unit, pid in pids.items():
        after = switches(pid)
        by_thread = {name: (count - before[unit].get(name, 0)) / took
                     for name, count in after.items()}
        figures[unit] = {"resident_kib": resident_kib(pid),
                         "wake_ups_a_second": sum(by_thread.values()),
                         "by_thread": {name: rate for name, rate in by_thread.items() if rate}}
    return figures


def wait_first_ran(job_id):
    """A placement is acknowledged when its process exists; a thousand take a while to run first. They
    are of one class: the last to come is the last to run."""
    while True:
        done = subprocess.run(["tariffctl", "job", job_id, "--json"], check=True,
                              capture_output=True, text=True)
        if int(json.loads(done.stdout)["first_ran_ns"]):
            return
        time.sleep(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    pids = {unit: functions.main_pid(unit) for unit in UNITS}
    with functions.installed(SLEEPER):
        agent = Agent()
        time.sleep(SETTLE_S)
        empty = look(pids, options.seconds)
        ids = [agent.place("bench-sleep") for _ in range(options.jobs)]
        wait_first_ran(ids[-1])
        time.sleep(SETTLE_S)
        full = look(pids, options.seconds)
        for job_id in ids:
            agent.cancel(job_id).result()
        for job_id in ids:
            agent.wait(job_id).result()
            agent.acknowledge(job_id).result()
        time.sleep(SETTLE_S)
        after = look(pids, options.seconds)
    print(json.dumps({"jobs": options.jobs, "kernel": os.uname().release, "empty": empty,
                      "full": full, "after": after}))


if __name__ == "__main__":
    main()
