# SPDX-License-Identifier: Apache-2.0
"""Runs inside the guest: the paper's web application under four regimes; prints JSON.

Regimes ("arms"): alone - home and profile only, with every CPU kept busy by an idle-class spinner, so
that the emulator has the same load in all arms; classes - with bulk at 4x overload, SCHED_FIFO by
class; equal - the same, all SCHED_OTHER; weight - the same, cpu.weight 1 to 10000. The arms take
turns in blocks. Latency is accepted -> ended of the job's own record, so this program's own delays do not
count; it runs as an ordinary process on the system's CPU, beside the kernel's own threads.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from agent_client import Agent, CallError, job_of

CONFIG = Path("/etc/tariff/tariffd.yaml")
ARMS = {"alone": "fifo", "classes": "fifo", "equal": "none", "weight": "weight"}
OVERLOAD = 4        # bulk jobs in flight per class CPU
PICTURE = "400x300"  # what `resize` is given: small enough that some end in a block
PERIOD = 0.33       # seconds between two requests of one function
TARGET_CPU = 0.1    # seconds of CPU per request: shorter ones drown in the emulator's noise
FRONT = ("home", "profile")


def enforce(mode):
    text = CONFIG.read_text()
    text = re.sub(r"(?m)^cpu_enforcement:.*\n", "", text) + f"cpu_enforcement: {mode}\n"
    CONFIG.write_text(text)
    subprocess.run(["systemctl", "reload", "tariffd.service"], check=True)


def page_request(work):
    return json.dumps({"user": "ada", "iterations": work}).encode()


def run_once(agent, function, payload):
    job_id = agent.place(function, payload)
    job = job_of(agent.wait(job_id).result())
    agent.acknowledge(job_id)
    if job.end_reason != 1 or job.exit_status != 0:
        raise CallError(f"{function} failed: reason {job.end_reason}, status {job.exit_status}, "
                        f"{job.message}")
    return job


def calibrate(agent):
    """How much work makes one request take TARGET_CPU of CPU on this machine."""
    work = 20
    for _ in range(4):
        jobs = [run_once(agent, "home", page_request(work)) for _ in range(3)]
        cpu = sorted(job.cpu for job in jobs)[1]
        work = max(1, int(work * TARGET_CPU / max(cpu, 0.001)))
    return work


class Load:
    """Bulk work: `count` jobs in flight at all times, each replaced when it ends."""

    def __init__(self, agent, count, payload, function="resize"):
        self.agent, self.count, self.payload, self.function = agent, count, payload, function
        self.jobs = {}
        self.done = []

    def keep_up(self):
        for job_id, answer in list(self.jobs.items()):
            if answer.done():
                del self.jobs[job_id]
                self.done.append(job_of(answer.result()))
                self.agent.acknowledge(job_id)
        while len(self.jobs) < self.count:
            job_id = self.agent.place(self.function, self.payload)
            self.jobs[job_id] = self.agent.wait(job_id)

    def end(self):
        for job_id in self.jobs:
            self.agent.cancel(job_id)
        for job_id, answer in self.jobs.items():
            answer.result()
            self.agent.acknowledge(job_id)
        self.jobs = {}


def block(agent, work, load, seconds):
    """One block of one arm: requests on a fixed beat, whatever the answers do (open loop)."""
    start = time.monotonic()
    waiting, jobs, beat = [], [], 0
    while True:
        now = time.monotonic() - start
        if load:
            load.keep_up()
        if now < seconds and now >= beat * PERIOD:
            for function in FRONT:
                job_id = agent.place(function, page_request(work))
                waiting.append((function, job_id, agent.wait(job_id)))
            beat += 1
        for item in [item for item in waiting if item[2].done()]:
            waiting.remove(item)
            agent.acknowledge(item[1])
            jobs.append((item[0], job_of(item[2].result())))
        if now >= seconds and not waiting:
            return jobs
        time.sleep(0.02)


def class_cpus():
    """How many CPUs are the jobs' alone, once the agent has put its reserved mode into effect. That
    is the same in all arms: who runs where is no matter of cpu_enforcement."""
    for _ in range(300):
        status = json.loads(subprocess.run(["tariffctl", "status", "--json"], check=True,
                                           capture_output=True).stdout)
        if status.get("cpu_mode") == "reserved" and int(status.get("host_changes", 0)) > 0:
            break
        time.sleep(0.1)
    else:
        raise CallError("the agent has reserved no CPU: " + status.get("cpu_reason", ""))
    text = Path("/sys/fs/cgroup/tariff.slice/tariff-jobs.service/class-1-bulk/"
                "cpuset.cpus.effective").read_text()
    ends = [part.split("-") for part in text.strip().split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


class Spinners:
    """An idle-class busy loop on every CPU, in units of their own, below tariff.slice: whatever is
    elsewhere is kept off the class CPUs."""

    def __init__(self, count):
        self.units = [f"spinner-{number}.service" for number in range(count)]
        for unit in self.units:
            subprocess.run(["systemd-run", "-q", f"--unit={unit}", "--slice=tariff-spinner.slice",
                            "-pCPUSchedulingPolicy=idle", sys.executable, "-c",
                            "while True: pass"], check=True)

    def end(self):
        subprocess.run(["systemctl", "stop", *self.units], check=True)


def sample(job):
    """Seconds; `launched` to `latency` are since acceptance."""
    return {"launched": job.launched, "first_ran": job.first_ran, "main_exited": job.main_exited,
            "latency": job.ended, "cpu": job.cpu, "pressure": job.pressure,
            "cost": float(job.cost)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--picture", default="/usr/share/tariff/examples/web/picture.png")
    options = parser.parse_args()
    cpus_for_jobs = class_cpus()
    agent = Agent()
    work = calibrate(agent)
    picture = subprocess.run(["convert", options.picture, "-resize", PICTURE, "png:-"], check=True,
                             capture_output=True).stdout
    samples = {arm: {name: [] for name in (*FRONT, "resize")} for arm in ARMS}
    for _ in range(options.blocks):
        for arm, mode in ARMS.items():
            enforce(mode)
            load = None if arm == "alone" else Load(agent, OVERLOAD * cpus_for_jobs, picture)
            idle = Spinners(os.cpu_count()) if arm == "alone" else None
            for function, job in block(agent, work, load, options.seconds):
                samples[arm][function].append(sample(job))
            if load:
                samples[arm]["resize"] += [sample(job) for job in load.done]
                load.end()
            if idle:
                idle.end()
    enforce("fifo")
    kernel = os.uname().release
    print(json.dumps({"cpus": os.cpu_count(), "class_cpus": cpus_for_jobs, "kernel": kernel, "work": work, "blocks": options.blocks,
                      "block_seconds": options.seconds, "samples": samples}))


if __name__ == "__main__":
    try:
        main()
    except CallError as problem:
        sys.exit(f"demonstration: {problem}")
