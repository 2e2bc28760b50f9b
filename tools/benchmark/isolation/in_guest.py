# SPDX-License-Identifier: Apache-2.0
"""The latency of the top class under bulk overload, enforced in several ways; prints JSON.

Arms: alone - `home` only, with every class CPU kept busy by a SCHED_IDLE spinner, so that the
emulator carries the same load; classes - bulk at 4x overload, SCHED_FIFO by class; weight - the
same, cpu.weight 1 to 10000; idle - the same, SCHED_OTHER and cpu.idle=1 for bulk; equal - the same,
all SCHED_OTHER. They take turns in blocks. Latency is accepted -> main process ended, of the job's own
record. Beside it the kernel's own counter: time in which a task of the top class wanted a CPU and had
none (cpu.pressure).

Then the sweep: how many top-class jobs at once, against how many bulk tasks per class CPU, it takes
until strict priority differs from weights.
"""
import argparse
import contextlib
import json
import os
import pathlib
import time

import functions
import measure
from agent_client import Agent, job_of

TREE = pathlib.Path("/sys/fs/cgroup/tariff.slice/tariff-jobs.service")
TOP, BULK = TREE / "class-5-critical", TREE / "class-1-bulk"
ARMS = {"alone": "fifo", "classes": "fifo", "weight": "weight", "idle": "none", "equal": "none"}
OVERLOAD = 4
UNIT_S = 0.13  # CPU of one `home`: at least 100 ms whatever the emulator's mood
PERIOD_S = 0.4
SPINS = ("  - {name: bench-top, class: critical, argv: [/usr/lib/tariff/examples/functions/spin]}\n"
         "  - {name: bench-bulk, class: bulk, argv: [/usr/lib/tariff/examples/functions/spin]}\n")
SWEEP_TOP, SWEEP_BULK, SWEEP_ROUNDS = (1, 2, 4), (1, 4, 16, 64), 8
FOREVER = b"cpu_ms=100000000"


def cpus_for_jobs():
    """How many CPUs the classes may use: the agent's reserved mode keeps some for the system."""
    effective = (TOP / "cpuset.cpus.effective")
    text = effective.read_text() if effective.exists() else f"0-{os.cpu_count() - 1}"
    ranges = [part.split("-") for part in text.strip().split(",")]
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def top_class_stall():
    """Seconds since boot in which a task of the top class lacked a CPU."""
    some = (TOP / "cpu.pressure").read_text().splitlines()[0]
    return int(some.rsplit("total=", 1)[1]) / 1e6


@contextlib.contextmanager
def bulk_is_idle(wanted):
    if wanted:
        (BULK / "cpu.idle").write_text("1")
    try:
        yield
    finally:
        if wanted:
            (BULK / "cpu.idle").write_text("0")


def requests(agent, payload, count, load):
    """`count` calls of home on a fixed beat, whatever the answers do; their records."""
    start, waiting, jobs, placed = time.monotonic(), [], [], 0
    while placed < count or waiting:
        if load:
            load.keep_up()
        if placed < count and time.monotonic() - start >= placed * PERIOD_S:
            job_id = agent.place("home", payload)
            waiting.append((job_id, agent.wait(job_id)))
            placed += 1
        for item in [item for item in waiting if item[1].done()]:
            waiting.remove(item)
            agent.acknowledge(item[0])
            jobs.append(job_of(item[1].result()))
        time.sleep(0.01)
    return jobs


def block(agent, arm, payload, class_cpus, count):
    measure.enforce(ARMS[arm])
    bulk = measure.Load(agent, OVERLOAD * class_cpus, FOREVER, "bench-bulk")
    load = None if arm == "alone" else bulk
    idle = measure.Spinners(os.cpu_count()) if arm == "alone" else None
    with bulk_is_idle(arm == "idle"):
        if load:
            load.keep_up()
        stall, start = top_class_stall(), time.monotonic()
        jobs = requests(agent, payload, count, load)
        took, stall = time.monotonic() - start, top_class_stall() - stall
        if load:
            load.end()
    if idle:
        idle.end()
    return {"latency_s": [job.main_exited for job in jobs], "cpu_s": [job.cpu for job in jobs],
            "lacked_cpu_s": [job.pressure for job in jobs], "stall_s": stall, "took_s": took}


def together(agent, count, payload):
    """Seconds until all of `count` top-class jobs, placed at once, have ended; their CPU time."""
    ids = [agent.place("bench-top", payload) for _ in range(count)]
    jobs = [job_of(agent.wait(job_id).result()) for job_id in ids]
    for job_id in ids:
        agent.acknowledge(job_id)
    return {"latency_s": [job.main_exited for job in jobs], "cpu_s": [job.cpu for job in jobs]}


def sweep(agent, class_cpus):
    cells = []
    for bulk in SWEEP_BULK:
        for _ in range(2):
            for arm in ("classes", "weight"):
                measure.enforce(ARMS[arm])
                load = measure.Load(agent, bulk * class_cpus, FOREVER, "bench-bulk")
                load.keep_up()
                for top in SWEEP_TOP:
                    rounds = [together(agent, top, b"cpu_ms=130") for _ in range(SWEEP_ROUNDS // 2)]
                    cells.append({"arm": arm, "bulk": bulk, "top": top, "rounds": rounds})
                load.end()
    return cells


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--samples", type=int, default=60, help="of an arm in a block")
    parser.add_argument("--no-sweep", dest="sweep", action="store_false")
    options = parser.parse_args()
    measure.TARGET_CPU = UNIT_S
    class_cpus = cpus_for_jobs()
    agent = Agent()
    with functions.installed(SPINS):
        payload = measure.page_request(measure.calibrate(agent))
        blocks = {arm: [] for arm in ARMS}
        for _ in range(options.blocks):
            for arm in ARMS:
                blocks[arm].append(block(agent, arm, payload, class_cpus, options.samples))
        cells = sweep(agent, class_cpus) if options.sweep else []
        measure.enforce("fifo")
    print(json.dumps({"kernel": os.uname().release, "class_cpus": class_cpus, "blocks": blocks,
                      "sweep": cells}))


if __name__ == "__main__":
    main()
