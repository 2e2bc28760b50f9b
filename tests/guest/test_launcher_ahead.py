# SPDX-License-Identifier: Apache-2.0
"""Trampolines that wait for their job: what they are made of is a job's own, of now, and nothing of
it stays when they are not needed."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from launcher_bench import CLASSES, Bench
from launcher_client import reason

CPUS = (1, 2)


class Ahead(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.client = self.bench.start()
        self.job = self._testMethodName[:50]
        self.wait_for_trampolines()

    def tearDown(self):
        self.client.close()
        log = self.bench.log.read_text()
        self.bench.stop()
        print(log, end="")

    def wait_until(self, check, what, timeout=20):
        until = time.monotonic() + timeout
        while not check():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.05)

    def wait_for_trampolines(self):
        self.wait_until(lambda: len(self.bench.trampolines()) == len(CLASSES),
                        "one of four leaves of each class has a process that waits")

    def sh(self, script, number=0):
        id = f"{self.job}-{number}"
        self.assertEqual(reason(self.client.run(id, ["/bin/sh", "-c", script])), "EXITED")
        return self.client.result(id).decode()

    def namespaces(self, pid):
        return tuple(os.readlink(f"/proc/{pid}/ns/{name}") for name in ("mnt", "ipc"))

    def test_each_serves_one_job_in_namespaces_of_its_own(self):
        served = set()
        for number in range(4):
            waiting = {pid: self.namespaces(pid) for pid in self.bench.trampolines()}
            names = [name for pair in (*waiting.values(), self.namespaces("self")) for name in pair]
            self.assertEqual(len(set(names)), len(names))
            text = self.sh("echo $$; readlink /proc/self/ns/mnt /proc/self/ns/ipc", number)
            pid, *mine = text.split()
            self.assertEqual(waiting[int(pid)], tuple(mine))
            self.assertNotIn(int(pid), served)
            served.add(int(pid))
            self.wait_for_trampolines()

    def test_one_that_waits_has_no_way_to_be_killed_first_for_memory(self):
        for pid in self.bench.trampolines():
            self.assertLessEqual(int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text()), 0)

    def test_a_job_sees_mounts_made_later_and_nobody_keeps_one_that_is_gone(self):
        place = tempfile.mkdtemp(dir="/run")
        before = self.bench.trampolines()
        subprocess.run(["mount", "-t", "tmpfs", "later", place], check=True)
        try:
            pathlib.Path(place, "file").write_text("seen\n")
            text = self.sh(f"cat {place}/file; touch {place}/x 2>&1")
            self.assertIn("seen\n", text)
            self.assertIn("Read-only file system", text)
            self.wait_until(lambda: not set(before) & set(self.bench.trampolines()), "made anew")
            self.wait_for_trampolines()
        finally:
            subprocess.run(["umount", place], check=True)
        self.wait_until(lambda: not self.mounted(place), "nobody has it mounted any more")
        os.rmdir(place)

    def mounted(self, place):
        for pid in self.bench.trampolines():
            try:
                if place in pathlib.Path(f"/proc/{pid}/mountinfo").read_text():
                    return True
            except OSError:
                pass
        return False

    def test_killed_ones_cost_no_job(self):
        for pid in self.bench.trampolines():
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.sh("echo done"), "done\n")
        self.wait_until(lambda: len(self.bench.leaves()) == 12, "the leaf of the dead is removed")

    def test_they_go_with_the_launcher(self):
        pids = self.bench.trampolines()
        self.bench.kill()
        self.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "their end")
        self.client.close()
        self.client = self.bench.start()
        self.wait_for_trampolines()
        self.assertEqual(len(self.bench.leaves()), 12)

    def test_they_go_with_the_holder(self):
        self.bench.holder.kill()
        self.bench.holder.wait()
        self.wait_until(lambda: not self.bench.trampolines(), "the tree can become empty")
        self.assertEqual(self.sh("echo done"), "done\n")
        self.assertEqual(self.bench.trampolines(), [])

    def test_a_long_command_line_reaches_the_job(self):
        words = ["x" * 1000] * 100
        record = self.client.run(self.job, ["/bin/sh", "-c", "echo $# ${#1}", "sh", *words])
        self.assertEqual(reason(record), "EXITED")
        self.assertEqual(self.client.result(self.job), b"100 1000\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
