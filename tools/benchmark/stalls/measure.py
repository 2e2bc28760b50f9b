# SPDX-License-Identifier: Apache-2.0
"""Runs inside the guest: how long kernel operations of a FIFO 58 process take while FIFO 30 loops
use every class CPU, in six arms that take turns; prints JSON.

  idle       no loops: what the machine does by itself
  none       nothing reserved: the loops use every CPU
  classes    the loops are kept off the first CPU by their cpuset; nobody else is kept anywhere
  reserved   and system.slice, user.slice, machine.slice, init.scope and the prober are kept on it
  kernel     and unbound workqueues, interrupts and the kernel threads that can be moved
  unbounded  and what is left for ordinary processes on the class CPUs is taken away: RT throttling
             (6.1), fair server (6.12)

In all arms two ordinary processes in system.slice make and remove cgroups and processes.
"""
import argparse
import ctypes
import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROBE = HERE / "probe"
CGROUP = Path("/sys/fs/cgroup")
SLICES = ("system.slice", "user.slice", "machine.slice", "init.scope")
ARMS = ("idle", "none", "classes", "reserved", "kernel", "unbounded")
OPERATIONS = ("mkdir", "clone3", "rmdir", "subtree_control")
RT_RUNTIME = Path("/proc/sys/kernel/sched_rt_runtime_us")
FAIR_SERVER = Path("/sys/kernel/debug/sched/fair_server")
CHURNS = 2


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def unit(name, *command, properties=()):
    run("systemd-run", "-q", f"--unit={name}", "-pDelegate=yes",
        *(f"-p{text}" for text in properties), *map(str, command))


def cgroup_of(name):
    path = subprocess.run(["systemctl", "show", "-P", "ControlGroup", name], check=True,
                          capture_output=True, text=True).stdout.strip()
    return CGROUP / path.lstrip("/")


class Changes:
    """Files written with their old value kept, in order."""

    def __init__(self):
        self.old = []
        self.refused = 0

    def write(self, path, text):
        try:
            old = path.read_text()
            path.write_text(text)
            self.old.append((path, old))
        except OSError:
            self.refused += 1

    def undo(self):
        for path, old in reversed(self.old):
            path.write_text(old)
        self.old = []


def kernel_threads():
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == 2:
                    yield int(entry.name)
            except OSError:
                pass


def move_kernel(changes, moved):
    for path in Path("/sys/devices/virtual/workqueue").glob("**/cpumask"):
        changes.write(path, "1")
    changes.write(Path("/proc/irq/default_smp_affinity"), "1")
    for path in Path("/proc/irq").glob("*/smp_affinity_list"):
        changes.write(path, "0")
    for pid in kernel_threads():
        try:
            old = os.sched_getaffinity(pid)
            os.sched_setaffinity(pid, {0})
            moved[pid] = old
        except OSError:
            changes.refused += 1


def unbound(changes):
    if not FAIR_SERVER.parent.is_dir():
        run("mount", "-t", "debugfs", "none", "/sys/kernel/debug")
    if FAIR_SERVER.is_dir():
        for path in FAIR_SERVER.glob("cpu*/runtime"):
            changes.write(path, "0")
    else:
        changes.write(RT_RUNTIME, "-1")


def confine(cpus):
    for name in SLICES:
        run("systemctl", "set-property", "--runtime", name, f"AllowedCPUs={cpus}")


def read_counters(file):
    with open(file, "rb") as handle, mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as area:
        return (ctypes.c_uint64.from_buffer_copy(area, 0).value,
                ctypes.c_int64.from_buffer_copy(area, 8).value)


def reset_longest(file):
    with open(file, "r+b") as handle:
        handle.seek(8)
        handle.write(bytes(8))


def block(arm, job_class, seconds, counters):
    every = f"0-{os.cpu_count() - 1}"
    class_cpus = every if arm in ("idle", "none") else f"1-{os.cpu_count() - 1}"
    confined = arm not in ("idle", "none", "classes")
    (job_class / "cpuset.cpus").write_text(class_cpus)
    confine("0" if confined else every)
    changes, moved = Changes(), {}
    if arm in ("kernel", "unbounded"):
        move_kernel(changes, moved)
    if arm == "unbounded":
        unbound(changes)
    hogs = {"idle": 0, "none": os.cpu_count()}.get(arm, os.cpu_count() - 1)
    before = [read_counters(file)[0] for file in counters]
    for file in counters:
        reset_longest(file)
    try:
        done = subprocess.run(
            ["systemd-run", "-q", "--pipe", "--wait", "--slice=stalls.slice",
             "-pLimitMEMLOCK=infinity",
             f"-pAllowedCPUs={'0' if confined else every}", str(PROBE), "run", str(job_class),
             str(hogs), str(seconds)], check=True, capture_output=True, text=True)
    finally:
        refused = changes.refused
        changes.undo()
        for pid, cpus in moved.items():
            try:
                os.sched_setaffinity(pid, cpus)
            except OSError:
                pass
    after = [read_counters(file) for file in counters]
    samples = json.loads(done.stdout)
    samples["ordinary"] = {"rounds": sum(a[0] for a in after) - sum(before),
                           "longest_us": max(a[1] for a in after)}
    samples["refused"] = refused
    return samples


def summary(samples):
    samples = sorted(samples)
    at = lambda share: samples[min(len(samples) - 1, int(len(samples) * share))]
    return {"n": len(samples), "p50_ms": at(0.5) / 1000, "p99_ms": at(0.99) / 1000,
            "max_ms": samples[-1] / 1000, "over_100_ms": sum(s > 100_000 for s in samples)}


def merged(taken):
    """One arm's blocks as one."""
    row = {name: summary([sample for part in taken for sample in part[name]])
           for name in OPERATIONS}
    ordinary = [part["ordinary"] for part in taken]
    row["ordinary"] = {"rounds": sum(part["rounds"] for part in ordinary),
                       "longest_ms": max(part["longest_us"] for part in ordinary) / 1000}
    row["refused"] = taken[-1]["refused"]
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--arms", default=",".join(ARMS))
    options = parser.parse_args()
    arms = options.arms.split(",")
    if os.cpu_count() < 2:
        sys.exit("stalls: needs two CPUs")
    counters = [f"/run/stalls-churn-{number}" for number in range(CHURNS)]
    unit("stalls-jobs", PROBE, "hold", properties=("Slice=stalls.slice",))
    for number, file in enumerate(counters):
        unit(f"stalls-churn-{number}", PROBE, "churn", file)
    job_class = cgroup_of("stalls-jobs.service") / "class"
    while "cpuset" not in (job_class.parent / "cgroup.subtree_control").read_text():
        pass
    job_class.mkdir()
    (job_class / "cgroup.subtree_control").write_text("+pids")
    while not all(os.path.exists(file) and os.path.getsize(file) for file in counters):
        pass
    blocks = {arm: [] for arm in arms}
    for _ in range(options.blocks):
        for arm in arms:
            blocks[arm].append(block(arm, job_class, options.seconds, counters))
            print(arm, {name: summary(blocks[arm][-1][name])["max_ms"] for name in OPERATIONS},
                  blocks[arm][-1]["ordinary"], file=sys.stderr, flush=True)
    confine(f"0-{os.cpu_count() - 1}")
    run("systemctl", "stop", "stalls-jobs", *(f"stalls-churn-{n}" for n in range(CHURNS)))
    result = {arm: merged(taken) for arm, taken in blocks.items()}
    print(json.dumps({"kernel": os.uname().release, "cpus": os.cpu_count(),
                      "blocks": options.blocks, "seconds": options.seconds, "arms": result}))


if __name__ == "__main__":
    main()
