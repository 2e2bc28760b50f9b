# SPDX-License-Identifier: Apache-2.0
"""The agent dies, is restarted, loses its launcher or its job tree: jobs run on, none runs twice, and
the fate of each is told."""
import os
import signal
import subprocess
import threading
import time
import unittest

from lib import (TREE, crash_point, ctl, functions, job_pids, journal, main_pid, place, run,
                 systemctl, wait_until)

FUNCTIONS = """
  - name: drill-once
    class: standard
    argv: [/bin/sh, -c, "echo ran >&2; cat; echo done"]
  - name: drill-sleep
    class: background
    argv: [/bin/sh, -c, "read n; sleep $n; echo slept $n"]
"""


def setUpModule():
    global known
    known = functions("drill", FUNCTIONS)
    known.__enter__()


def tearDownModule():
    known.__exit__(None, None, None)


def restarts():
    return int(systemctl("show", "--property=NRestarts", "--value", "tariffd.service"))


def runs_of(job_id):
    return [entry for entry in journal(f"JOB_ID={job_id}") if entry.get("MESSAGE") == "ran"]


class Background:
    """A tariffctl that runs while the test goes on."""

    def __init__(self, *words):
        self.outcome = None
        self.thread = threading.Thread(target=self.work, args=(words,))
        self.thread.start()

    def work(self, words):
        done = subprocess.run(["tariffctl", *words], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200)
        self.outcome = (done.returncode, done.stdout, done.stderr)

    def result(self):
        self.thread.join(210)
        return self.outcome


class CrashPoints(unittest.TestCase):
    """The agent kills itself at a named instant, again after each restart, while a client insists."""

    def drill(self, point):
        job_id = "drill-" + point.replace("agent.", "").replace("_", "-")
        before = restarts()
        with crash_point("tariffd.service", point):
            client = Background("run", "drill-once", "--id", job_id, "--payload", "payload", "--keep")
            wait_until(lambda: restarts() > before, 60, f"a crash at {point}")
        self.assertEqual(client.result()[:2], (0, "payloaddone\n"), client.outcome)
        self.assertEqual(len(runs_of(job_id)), 1)
        record = ctl("job", job_id)
        self.assertEqual((record["state"], record["class_run"]), ("ended", "standard"))

    def test_before_launch(self):
        self.drill("agent.before_launch")

    def test_after_launch(self):
        self.drill("agent.after_launch")

    def test_before_place_reply(self):
        self.drill("agent.before_place_reply")

    def test_before_wait_reply(self):
        self.drill("agent.before_wait_reply")


class Restarts(unittest.TestCase):
    def test_ten_jobs_outlive_five_kills_and_a_restart(self):
        ids = [place("drill-sleep", "--id", f"drill-ten-{n}", payload="12\n") for n in range(10)]
        pids = {job_id: ctl("job", job_id)["pid"] for job_id in ids}
        for _ in range(5):
            pid = main_pid("tariffd")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: main_pid("tariffd") not in (0, pid), what="the agent's restart")
        systemctl("restart", "tariffd")
        for job_id in ids:
            self.assertEqual(run("tariffctl", "wait", job_id, "--keep"), "slept 12\n")
            record = ctl("job", job_id)
            self.assertEqual((record["pid"], record["end_reason"]), (pids[job_id], "exited"))
            run("tariffctl", "wait", job_id)

    def test_jobs_outlive_daemon_reload_and_reexec(self):
        job_id = place("drill-sleep", payload="8\n")
        systemctl("daemon-reload")
        systemctl("daemon-reexec")
        self.assertEqual(run("tariffctl", "wait", job_id), "slept 8\n")

    def test_a_lost_launcher_is_told_and_the_next_one_works(self):
        job_id = place("drill-sleep", payload="600\n")
        waiting = Background("wait", job_id, "--keep")
        os.kill(main_pid("tariff-launcher"), signal.SIGKILL)
        status, output, error = waiting.result()
        self.assertNotEqual(status, 0)
        self.assertEqual(output, "")
        self.assertIn("launcher", error)
        self.assertEqual(ctl("job", job_id)["end_reason"], "launcher_lost")
        self.assertEqual(run("tariffctl", "run", "drill-once"), "done\n")
        wait_until(lambda: not job_pids(), what="the end of the lost job")


class Holder(unittest.TestCase):
    def test_a_populated_tree_outlives_its_holder_and_an_empty_one_is_made_again(self):
        job_id = place("drill-sleep", payload="6\n")
        os.kill(main_pid("tariff-jobs"), signal.SIGKILL)
        wait_until(lambda: main_pid("tariff-jobs") == 0, what="the holder's death")
        self.assertEqual(run("tariffctl", "run", "drill-once"), "done\n")
        self.assertEqual(run("tariffctl", "wait", job_id), "slept 6\n")
        wait_until(lambda: main_pid("tariff-jobs") != 0, 90, "the holder's return")
        wait_until(lambda: (TREE / "class-1-bulk").is_dir(), 30, "the class cgroups")
        end = time.monotonic() + 30
        while subprocess.run(["tariffctl", "run", "drill-once", "--payload", "x"], timeout=60,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            self.assertLess(time.monotonic(), end, "placements work again")


if __name__ == "__main__":
    unittest.main()
