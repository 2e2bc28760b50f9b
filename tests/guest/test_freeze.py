# SPDX-License-Identifier: Apache-2.0
"""Freezing and thawing jobs that get no CPU: quickly, without one instruction of theirs above their
class, and put right when the agent is killed in the middle.

What starves them is not jobs but processes of this test, so that it can end them whatever the
agent does. The test itself runs above them.
"""
import contextlib
import json
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time
import unittest

from lib import CGROUP, TREE, ctl, drop_in, functions, main_pid, place, run, wait_until

CPUS = (1, 2)  # the guests that this is run on

BULK = 10          # fifo_priority of class bulk
HOGS = 35          # above every class
OWN = 57           # above the boost level, below launcher and agent

# Counts in a file that the test reads: what the job's own code does can be seen from outside.
COUNT = """
import mmap, sys, threading
count = int(sys.argv[1])
with open("/tmp/count", "w+b") as file:
    file.truncate(8 * count)
    slots = memoryview(mmap.mmap(file.fileno(), 8 * count)).cast("Q")
go = threading.Event()  # on one CPU the first thread would keep the others from being made
def work(slot):
    go.wait()
    while True:
        slots[slot] += 1
for slot in range(1, count):
    threading.Thread(target=work, args=(slot,), daemon=True).start()
go.set()
work(0)
"""
# Forty loops that do nothing but fork.
BOMB = "i=0; while [ $i -lt 40 ]; do (while :; do (:); done) & i=$((i+1)); done; wait"

FUNCTIONS = f"""
  - name: freeze-one
    class: bulk
    argv: [/usr/bin/python3, -c, {json.dumps(COUNT)}, "1"]
  - name: freeze-threads
    class: bulk
    argv: [/usr/bin/python3, -c, {json.dumps(COUNT)}, "64"]
  - name: freeze-catches
    class: bulk
    argv: [/bin/sh, -c, "trap : TERM; while :; do :; done"]
  - name: freeze-bomb
    class: bulk
    pids_max: 100
    argv: [/bin/sh, -c, {json.dumps(BOMB)}]
"""


def setUpModule():
    global known
    known = functions("freeze", FUNCTIONS)
    known.__enter__()


def tearDownModule():
    known.__exit__(None, None, None)


def class_cpus():
    """The CPUs that jobs may use, as a set of numbers."""
    found = set()
    for part in ctl("status")["class_cpus"].split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@contextlib.contextmanager
def hogs():
    """Two on each CPU of the jobs, above every class; the test above them. In a cgroup that nobody
    keeps off those CPUs."""
    group = CGROUP / "freeze-hogs"
    group.mkdir()
    running = []

    def spin_on(cpu):
        def enter():
            (group / "cgroup.procs").write_text(str(os.getpid()))
            os.sched_setaffinity(0, {cpu})
        return subprocess.Popen(["chrt", "-f", str(HOGS), "sh", "-c", "while :; do :; done"],
                                preexec_fn=enter)

    cpus = class_cpus()
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(OWN))
    try:
        for cpu in [*cpus, *cpus]:
            running.append(spin_on(cpu))
        time.sleep(0.3)
        yield
    finally:
        for process in running:  # all, then wait: they starve each other
            process.kill()
        for process in running:
            process.wait()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        wait_until(lambda: not (group / "cgroup.procs").read_text(), what="the end of the hogs")
        group.rmdir()


class Job:
    def __init__(self, function, tasks):
        self.id = place(function)
        try:
            wait_until(lambda: self.record()["first_ran_ns"], what="the job's first run")
            self.leaf = TREE / self.record()["leaf"]
            self.pid = self.record()["pid"]
            wait_until(lambda: len(self.tasks()) >= tasks, 60, "the job's tasks")
        except AssertionError:
            self.end()  # else it would starve what comes after it
            raise

    def record(self):
        return ctl("job", self.id)

    def tasks(self):
        return [int(tid) for tid in (self.leaf / "cgroup.threads").read_text().split()]

    def counted(self):
        """What its code has done so far, over all of its threads."""
        data = pathlib.Path(f"/proc/{self.pid}/root/tmp/count").read_bytes()
        return sum(struct.unpack(f"{len(data) // 8}Q", data))

    def frozen(self):
        return "frozen 1" in (self.leaf / "cgroup.events").read_text()

    def requested(self):
        return (self.leaf / "cgroup.freeze").read_text().strip() == "1"

    def marked(self):
        return "trusted.tariff.boosted" in os.listxattr(self.leaf)

    def levels(self):
        found = set()
        for tid in self.tasks():
            with contextlib.suppress(OSError):
                found.add(os.sched_getparam(tid).sched_priority)
        return found

    def end(self):
        run("tariffctl", "cancel", self.id)
        run("tariffctl", "wait", self.id, status=None)


class FreezeCase(unittest.TestCase):
    def job(self, function, tasks=1):
        job = Job(function, tasks)
        self.addCleanup(job.end)
        return job

    def check_frozen(self, job):
        self.assertTrue(job.frozen())
        self.assertFalse(job.marked())
        self.assertEqual(job.levels(), {BULK})
        self.assertTrue(job.record()["frozen"])


class Starved(FreezeCase):
    def freeze(self, job, tasks):
        """Starves it, freezes it; the milliseconds it took, as the agent says."""
        with hogs():
            before = self.starved(job) if tasks else None
            reply = ctl("freeze", job.id)["frozen"][0]
            if tasks:
                self.assertEqual(job.counted(), before, "its code ran above its class")
                self.assertGreaterEqual(reply["tasks_raised"], tasks)
            self.check_frozen(job)
        self.assertFalse(reply["already_frozen"])
        return reply["took_ns"] / 1e6

    def starved(self, job):
        """What it has counted, once the hogs keep it from counting on."""
        def stands_still():
            before = job.counted()
            time.sleep(0.3)
            return job.counted() == before
        wait_until(stands_still, what="the job's starving")
        return job.counted()

    def test_a_job_freezes_and_goes_on(self):
        job = self.job("freeze-one")
        took = self.freeze(job, 1)
        print(f"frozen after {took} ms")
        self.assertLess(took, 250)
        self.assertTrue(ctl("freeze", job.id)["frozen"][0]["already_frozen"])
        self.assertIn("running, frozen", run("tariffctl", "job", job.id))
        before = job.counted()
        self.assertTrue(ctl("thaw", job.id)["thawed"][0]["was_frozen"])
        wait_until(lambda: job.counted() > before, what="it goes on")
        self.assertEqual(job.levels(), {BULK})
        self.assertFalse(job.record()["frozen"])
        self.assertFalse(ctl("thaw", job.id)["thawed"][0]["was_frozen"])

    def test_64_threads(self):
        took = self.freeze(self.job("freeze-threads", 64), 64)
        print(f"frozen after {took} ms")
        self.assertLess(took, 1000)

    def test_a_fork_bomb(self):
        job = self.job("freeze-bomb", 41)
        took = self.freeze(job, 0)
        print(f"{len(job.tasks())} tasks frozen after {took} ms")
        self.assertLess(took, 1500)
        with hogs():
            run("tariffctl", "thaw", job.id)
            self.assertLessEqual(job.levels(), {BULK})

    def cancelled(self, function, tasks):
        """The milliseconds from before a starved job is cancelled to its end."""
        job = Job(function, tasks)
        with hogs():
            sent = time.time()
            run("tariffctl", "cancel", job.id)
            run("tariffctl", "wait", job.id, "--keep", status=None)
        record = job.record()
        run("tariffctl", "wait", job.id, status=None)
        self.assertEqual(record["end_reason"], "cancelled")
        return (record["accepted_unix_ns"] + record["ended_ns"]) / 1e6 - sent * 1e3, record

    def test_a_starved_job_that_dies_of_term_does_not_wait_for_a_cpu(self):
        for function, tasks in (("freeze-one", 1), ("freeze-threads", 64)):
            took, record = self.cancelled(function, tasks)
            print(f"{function} ended after {took:.0f} ms, with the start of tariffctl")
            self.assertEqual(record["signal"], signal.SIGTERM)
            self.assertLess(took, 1500)  # kill_grace is 2 s

    def test_a_starved_job_that_catches_term_has_its_grace(self):
        took, record = self.cancelled("freeze-catches", 1)
        self.assertEqual(record["signal"], signal.SIGKILL)
        self.assertGreater(took, 2000)
        self.assertLess(took, 4000)

    def test_a_frozen_job_can_be_cancelled(self):
        job = Job("freeze-one", 1)
        with hogs():
            run("tariffctl", "freeze", job.id)
            run("tariffctl", "cancel", job.id)
            run("tariffctl", "wait", job.id, "--keep", status=None)
        self.assertEqual(job.record()["end_reason"], "cancelled")
        run("tariffctl", "wait", job.id, status=None)


class AgentKilled(FreezeCase):
    """The agent dies at each instant of a freeze; the next one puts it right before it serves."""

    def watch(self, job):
        """Until told to stop: a raised task is always one whose freeze has been requested."""
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(OWN))
        while not self.stop:
            if max(job.levels(), default=0) > BULK and not job.requested():
                self.above.append(job.levels())
            time.sleep(0.01)

    def drill(self, point, asked):
        job = self.job("freeze-one")
        self.stop, self.above = False, []
        watcher = threading.Thread(target=self.watch, args=(job,))
        # It stays dead, or each one that is started would die again at the same point.
        with drop_in("tariffd.service",
                     f"[Service]\nEnvironment=TARIFF_CRASH_POINT={point}\nRestart=no"):
            with hogs():
                watcher.start()
                pid = main_pid("tariffd.service")
                run("tariffctl", "--timeout", "1s", "freeze", job.id, status=None)
                wait_until(lambda: main_pid("tariffd.service") != pid, 60, "the crash")
        self.assertEqual(job.requested(), asked)
        run("tariffctl", "status")  # it serves: everything has been put right
        self.stop = True
        watcher.join()
        self.assertEqual(self.above, [])
        self.assertEqual(job.levels(), {BULK})
        self.assertFalse(job.marked())
        if asked:
            self.check_frozen(job)
        run("tariffctl", "freeze", job.id)
        self.check_frozen(job)
        run("tariffctl", "thaw", job.id)

    def test_after_the_record(self):
        self.drill("boost.after_mark", False)

    def test_after_the_request(self):
        self.drill("boost.after_request", True)

    def test_after_the_raise(self):
        self.drill("boost.after_raise", True)

    def test_before_the_restore(self):
        self.drill("boost.before_restore", True)

    def test_a_frozen_job_stays_frozen(self):
        job = self.job("freeze-one")
        run("tariffctl", "freeze", job.id)
        pid = main_pid("tariffd.service")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: main_pid("tariffd.service") not in (0, pid), what="the agent's restart")
        self.check_frozen(job)


class Refusals(FreezeCase):
    def test_who_and_what(self):
        self.assertEqual(ctl("freeze", "freeze-nobody", status=5)["frozen"][0]["exit"], 5)
        job_id = place("hello")
        run("tariffctl", "wait", job_id, "--keep")
        said = run("sh", "-c", f"tariffctl freeze {job_id} 2>&1", status=None)
        self.assertIn("has ended", said)
        run("tariffctl", "wait", job_id)
        said = run("sh", "-c", "setpriv --reuid=65534 --regid=65534 --groups=$(getent group tariff |"
                   f" cut -d: -f3) tariffctl thaw {job_id} 2>&1", status=None)
        self.assertIn("needs the role admin", said)


# Behind these hogs systemd, which starts the agent again, gets 5 % of the one CPU: minutes a test.
# The two others take nearly one each, and show there what they show with two CPUs.
if os.cpu_count() == 1:
    del AgentKilled, Starved.test_a_fork_bomb, Starved.test_a_frozen_job_can_be_cancelled


if __name__ == "__main__":
    unittest.main()
