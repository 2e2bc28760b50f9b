# SPDX-License-Identifier: Apache-2.0
"""How soon the agent answers while jobs hog every CPU they may use: 1,000 starved jobs, a fork bomb
and a loop of the highest class on each class CPU. Used by a test, with wide bounds, and by the
benchmark, for figures."""
import contextlib
import os
import subprocess
import time

from lib import functions
from lib.agent_client import Agent, job_of

LOOP = "while :; do :; done"
FUNCTIONS = (
    f"  - {{name: over-starved, class: bulk, argv: [/bin/sh, -c, '{LOOP}']}}\n"
    f"  - {{name: over-top, class: critical, argv: [/bin/sh, -c, '{LOOP}']}}\n"
    "  - {name: over-bomb, class: background, pids_max: 256,\n"
    "     argv: [/bin/sh, -c, 'bomb() { bomb | bomb & }; bomb; " + LOOP + "']}\n")
STARVED = 1000
TIMES = 20
ABOVE_JOBS = 57  # FIFO; agent and launcher are above


@contextlib.contextmanager
def above_jobs():
    """This thread, and those that it starts, do not starve with the rest of the machine."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(ABOVE_JOBS))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def overload(starved=STARVED):
    """The jobs that starve, by id; everything has ended when it is left."""
    with functions("overload", FUNCTIONS):
        with above_jobs():  # on one CPU a client of ordinary priority takes a second for each job
            agent = Agent()
            ids = [agent.place("over-starved") for _ in range(starved)]
            hogs = [agent.place("over-bomb")]
            hogs += [agent.place("over-top") for _ in range(2 * os.cpu_count())]
        time.sleep(5)  # until the bomb has filled its cgroup and the hogs have taken over
        try:
            yield ids
        finally:
            with above_jobs():
                end_all(agent, [*hogs, *ids])


def end_all(agent, jobs):
    for job_id in jobs:
        agent.cancel(job_id).result(timeout=60)
    for job_id in jobs:
        agent.wait(job_id).result(timeout=300)
        agent.acknowledge(job_id).result(timeout=60)


def status_by_command():
    """Seconds from starting tariffctl to its end."""
    start = time.monotonic()
    subprocess.run(["tariffctl", "status"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def status_by_connection(agent):
    start = time.monotonic()
    agent.call("Status", b"").result()
    return time.monotonic() - start


def cancel(agent, job_id):
    """Seconds from before the call is sent to when the end was known, by the launcher's clock. The
    sender outranks the jobs: what is measured begins when the call is received."""
    with above_jobs():
        sent = time.time()
        agent.cancel(job_id)
    job = job_of(agent.wait(job_id).result())
    return job.accepted_unix + job.ended - sent


def measure(starved=STARVED, times=TIMES):
    agent = Agent()
    figures = {}
    with overload(starved) as ids:
        # Across the list: the first to arrive is the next to run, the last would run in hours.
        chosen = ids[::max(1, len(ids) // times)][:times]
        figures["status_command_s"] = [status_by_command() for _ in range(times)]
        figures["status_connection_s"] = [status_by_connection(agent) for _ in range(times)]
        figures["cancel_s"] = [cancel(agent, job_id) for job_id in chosen]
        figures["jobs"] = len(ids)
    return figures
