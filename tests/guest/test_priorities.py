# SPDX-License-Identifier: Apache-2.0
"""Who outranks whom: the FIFO bands of agent, launcher and their threads, locked and protected
memory, the kernel's pressure threads, and the order of jobs within a class."""
import contextlib
import json
import os
import pathlib
import re
import select
import subprocess
import time
import unittest

from lib import CGROUP, TREE, ctl, functions, main_pid, place, run, systemctl, wait_until

CPUS = (1, 2)  # the guests that this is run on

CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
# What the threads are for decides where they are: AsWorker ones may block.
WORKERS = {"worker", "tls", "journal", "leaf-maker", "leaf-remover", "namespaces"}
OWN = 57

GROW = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(1 << 20)); time.sleep(0.02)"
FUNCTIONS = f"""
  - name: prio-spin
    class: bulk
    argv: [/bin/sh, -c, "while :; do :; done"]
  - name: prio-grow
    class: critical
    argv: [/usr/bin/python3, -c, {json.dumps(GROW)}]
"""


def threads(unit):
    """[(name, policy, priority)], the main thread first."""
    pid = main_pid(unit)
    found = []
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    for task in sorted(tasks, key=lambda path: int(path.name)):
        tid = int(task.name)
        found.append(((task / "comm").read_text().strip(), os.sched_getscheduler(tid),
                      os.sched_getparam(tid).sched_priority))
    return found


def status_value(pid, key):
    return int(re.search(rf"^{key}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(),
                         re.M).group(1))


class Bands(unittest.TestCase):
    def test_every_thread_is_in_its_band(self):
        for unit, own in (("tariffd.service", 60), ("tariff-launcher.service", 58)):
            for name, policy, priority in threads(unit):
                if name == "metrics":  # a page for people: no class is held up for it
                    self.assertEqual(policy & 0xff, os.SCHED_OTHER)
                    continue
                self.assertEqual(policy & 0xff, os.SCHED_FIFO, (unit, name))
                self.assertEqual(priority, 56 if name in WORKERS else own, (unit, name))
        names = {name for name, _, _ in threads("tariffd.service")}
        self.assertIn("worker", names)

    def test_real_time_is_not_rationed_by_cgroup(self):
        release = os.uname().release
        config = pathlib.Path(f"/boot/config-{release}").read_text()
        self.assertNotIn("CONFIG_RT_GROUP_SCHED=y", config)

    def test_locked_on_fault_only(self):
        for unit in ("tariffd.service", "tariff-launcher.service"):
            pid = main_pid(unit)
            self.assertGreater(status_value(pid, "VmLck"), 0, unit)
            # All is locked, but only what was ever used is there.
            self.assertLess(status_value(pid, "VmRSS"), status_value(pid, "VmLck"), unit)

    def test_a_difference_between_configuration_and_unit_is_a_warning(self):
        self.assertEqual(ctl("status")["warnings"], [])
        before = CONFIG.read_text()
        CONFIG.write_text(before + "\nfifo: {launcher: 57}\n")
        try:
            systemctl("restart", "tariffd")
            said = wait_until(lambda: ctl("status")["warnings"], what="a warning")
            self.assertIn("fifo.launcher is 57", said[0])
            self.assertIn("CPUSchedulingPriority=", said[0])
        finally:
            CONFIG.write_text(before)
            systemctl("restart", "tariffd")
        wait_until(lambda: ctl("status")["warnings"] == [], what="the end of the warning")


def pressure_threads():
    found = {}
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text() == "psimon\n":
                tid = int(comm.parent.name)
                found[tid] = os.sched_getparam(tid).sched_priority
    return found


class PressureThreads(unittest.TestCase):
    def test_a_trigger_fires_while_jobs_use_every_cpu(self):
        trigger = os.open(next(TREE.glob("class-*-critical")) / "memory.pressure",
                          os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, trigger)
        os.write(trigger, b"some 50000 500000\0")
        wait_until(pressure_threads, what="a pressure thread")
        wait_until(lambda: set(pressure_threads().values()) == {52}, 40, "the raise")
        jobs = []
        with functions("priorities", FUNCTIONS):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(OWN))
            try:
                jobs = [place("prio-spin") for _ in range(2 * os.cpu_count())]
                jobs.append(place("prio-grow"))
                leaf = TREE / ctl("job", jobs[-1])["leaf"]
                (leaf / "memory.high").write_text("8M")
                ready = select.poll()
                ready.register(trigger, select.POLLPRI)
                self.assertTrue(ready.poll(20_000), "the trigger did not fire")
            finally:
                for job_id in jobs:
                    run("tariffctl", "cancel", job_id)
                for job_id in jobs:
                    run("tariffctl", "wait", job_id, status=None)
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def test_they_get_back_what_they_had_when_the_agent_stops(self):
        trigger = os.open(CGROUP / "tariff.slice" / "memory.pressure", os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, trigger)
        os.write(trigger, b"some 50000 500000\0")
        wait_until(lambda: 52 in pressure_threads().values(), 40, "the raise")
        systemctl("stop", "tariffd.service")
        self.assertEqual(set(pressure_threads().values()), {1})
        systemctl("start", "tariffd.service")
        wait_until(lambda: set(pressure_threads().values()) == {52}, 40, "the raise")


class OrderWithinAClass(unittest.TestCase):
    """On one CPU, behind a job of their own class: first come, first served; who blocks goes last.
    """

    FUNCTION = """
  - name: order-{name}
    class: {cls}
    argv: [/usr/bin/taskset, -c, "{cpu}", /bin/sh, -c, {script}]
"""

    def define(self, *classes):
        cpus = (TREE / "cpuset.cpus.effective")
        allowed = cpus.read_text().strip() if cpus.exists() else f"0-{os.cpu_count() - 1}"
        cpu = re.findall(r"\d+", allowed)[-1]
        # The short ones about 0.2 s of CPU time each on an emulated CPU: more than one slice.
        work = "i=0; while [ $i -lt {} ]; do i=$((i+1)); done"
        text = ""
        for cls in classes:
            for name, script in (
                    ("first", work.format(30000)), ("equal", work.format(8000)),
                    ("blocks", "sleep 0.01; " + work.format(8000))):
                text += self.FUNCTION.format(name=f"{name}-{cls}", cls=cls, cpu=cpu,
                                             script=json.dumps(script))
        return functions("order", text)

    def test_arrival_order_and_who_blocks_goes_last(self):
        with self.define("standard"):
            # Its programs are read from disk once: who waits for a disk blocks, and goes last.
            run("tariffctl", "run", "order-equal-standard", "--payload", "")
            order = self.order("first", "blocks", "equal", "equal", "equal")
            wait = next(row for row in ctl("status")["classes"] if row["name"] == "standard")
        self.assertEqual(order, [0, 2, 3, 4, 1])
        # The last waited for the first, which used its CPU for longer than this.
        self.assertGreater(wait["first_wait_p99_us"], 100_000)
        self.assertGreater(wait["cpu_wait_us"], 100_000)
        self.assertFalse(wait["round_robin"])

    def order(self, *names):
        """Which of these jobs of class standard, placed in this order, ended first, second..."""
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(OWN))
        try:
            ids = [place(f"order-{name}-standard") for name in names]
            for job_id in ids:
                run("tariffctl", "wait", job_id, "--keep")
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        records = [ctl("job", job_id) for job_id in ids]
        for job_id in ids:
            run("tariffctl", "wait", job_id)
        ended = [record["accepted_unix_ns"] + record["main_exited_ns"] for record in records]
        order = sorted(range(len(ids)), key=lambda index: ended[index])
        print(order, [round(record["cpu_us"] / 1e3) for record in records])
        return order

    def test_round_robin_lets_the_short_one_through(self):
        before = CONFIG.read_text()
        CONFIG.write_text(before + "\nclasses:\n  - {name: bulk, price: 0.3}\n"
                          "  - {name: background, price: 0.7}\n"
                          "  - {name: standard, price: 1, round_robin: true}\n"
                          "  - {name: interactive, price: 1.5}\n"
                          "  - {name: critical, price: 2}\n")
        try:
            with self.define("standard"):
                self.assertTrue(next(row for row in ctl("status")["classes"]
                                     if row["name"] == "standard")["round_robin"])
                self.assertEqual(self.order("first", "equal"), [1, 0])
        finally:
            CONFIG.write_text(before)
            systemctl("reload", "tariffd")
        with self.define("standard"):
            self.assertEqual(self.order("first", "equal"), [0, 1])


if __name__ == "__main__":
    unittest.main()
