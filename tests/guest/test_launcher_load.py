# SPDX-License-Identifier: Apache-2.0
"""The launcher while jobs hog every CPU, and after many jobs: it must go on launching, reaping and
killing, and keep nothing of what has ended."""
import contextlib
import os
import pathlib
import statistics
import time
import unittest

from launcher_bench import CLASSES, Bench
from launcher_client import ENUM, nanoseconds, reason

SPIN = ["/bin/sh", "-c", "while :; do :; done"]
# Hogs get what the kernel leaves to FIFO: the rest of the machine, this test too, has 5 % of each
# CPU (RT throttling on 6.1, the fair server on 6.12). So the bounds are wide.
SLOW = 60


class LoadCase(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.client = self.bench.start()

    def tearDown(self):
        self.client.close()
        log = self.bench.log.read_text()
        self.bench.stop()
        print(log, end="")

    def hog(self, price_class, count):
        for number in range(count):
            self.client.launch(f"hog-{price_class}-{number}", SPIN, class_run=price_class)

    def end(self, id):
        self.client.ask("end", id=id, reason=ENUM["REASON_CANCELLED"], timeout=SLOW)


class Hogged(LoadCase):
    def test_a_starved_job_waits_and_can_be_ended(self):
        self.hog("critical", 2 * os.cpu_count())
        self.client.launch("low", ["/bin/sleep", "60"], class_run="bulk")
        time.sleep(3)
        asked = time.monotonic_ns()
        self.end("low")
        record = self.client.wait_ended("low", SLOW)
        self.assertEqual(reason(record), "CANCELLED")
        # TERM, the grace time of 1 s, KILL; the kill itself takes milliseconds when it is raised.
        self.assertLess(record["main_exited_ns"] - asked, nanoseconds(3))

    def test_a_higher_class_launches_while_a_lower_one_hogs(self):
        alone = self.latencies("alone")
        self.hog("standard", 2 * os.cpu_count())
        time.sleep(1)
        hogged = self.latencies("hogged")
        print(f"launched to first ran, exit, ended, ms: alone {alone}, hogged {hogged}")
        alone, hogged = ([sum(phases) for phases in times] for times in (alone, hogged))
        self.assertLess(statistics.median(hogged), 20 * statistics.median(alone) + 200)

    def latencies(self, name, count=10):
        """Of /bin/true in the highest class: its phases in milliseconds, by the launcher's clock."""
        times = []
        for number in range(count):
            record = self.client.run(f"{name}-{number}", ["/bin/true"], class_run="critical",
                                     timeout=SLOW)
            self.assertEqual(reason(record), "EXITED")
            moments = [record[name + "_ns"]
                       for name in ("launched", "first_ran", "main_exited", "ended")]
            times.append([round((b - a) / 1e6) for a, b in zip(moments, moments[1:])])
        return times

    def namespaces(self):
        """Mount namespaces that the launcher holds."""
        count = 0
        for descriptor in pathlib.Path(f"/proc/{self.bench.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += "mnt:" in os.readlink(descriptor)
        return count

    def test_leaves_go_while_jobs_hog(self):
        self.hog("standard", 2 * os.cpu_count())
        started = time.monotonic()
        for number in range(15):
            self.client.run(f"short-{number}", ["/bin/true"], class_run="critical", timeout=SLOW)
        hogs = 2 * os.cpu_count()
        while len(self.bench.leaves()) > 12 + hogs:
            self.assertLess(time.monotonic() - started, SLOW)
            time.sleep(0.1)
        while self.namespaces() > hogs + len(CLASSES):  # a process of each class waits for a job
            self.assertLess(time.monotonic() - started, SLOW)
            time.sleep(0.5)

    def test_killed_for_memory_ends_a_starved_hog_at_once(self):
        self.hog("bulk", 1)
        self.hog("critical", 2 * os.cpu_count())
        time.sleep(2)
        asked = time.monotonic_ns()
        self.client.ask("end", id="hog-bulk-0", reason=ENUM["REASON_KILLED_FOR_MEMORY"],
                        timeout=SLOW)
        record = self.client.wait_ended("hog-bulk-0", SLOW)
        self.assertLess(record["ended_ns"] - asked, nanoseconds(1.5))


class Many(LoadCase):
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.bench.process.pid}/fd"))

    def run_jobs(self, name, count):
        ids = [f"{name}-{number}" for number in range(count)]
        for at in range(0, count, 20):
            for id in ids[at:at + 20]:
                self.client.launch(id, ["/bin/sh", "-c", "read x; echo $x; echo e >&2"],
                                   payload=b"line\n", wait=False)
            for id in ids[at:at + 20]:
                self.assertEqual(reason(self.client.wait_ended(id, SLOW)), "EXITED")
                self.assertEqual(self.client.result(id), b"line\n")
                self.client.ask("acknowledge", id=id)
            self.client.events.clear()

    def wait_for_leaves(self):
        until = time.monotonic() + 20
        while len(self.bench.leaves()) > 12 and time.monotonic() < until:
            time.sleep(0.1)
        self.assertEqual(len(self.bench.leaves()), 12)

    def test_nothing_is_kept_of_jobs_that_ended(self):
        self.run_jobs("first", 20)
        self.wait_for_leaves()
        time.sleep(1)
        before = self.descriptors()
        self.run_jobs("second", 100)
        self.wait_for_leaves()
        time.sleep(1)
        self.assertLessEqual(self.descriptors(), before + 1)
        self.assertEqual(self.client.list(), {})
        zombies = [stat for stat in pathlib.Path("/proc").glob("[0-9]*/stat")
                   if self.is_zombie_of_ours(stat)]
        self.assertEqual(zombies, [])

    def is_zombie_of_ours(self, stat):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            return False
        return fields[0] == "Z" and int(fields[1]) == self.bench.process.pid

    def test_orphans_of_jobs_are_reaped(self):
        for number in range(10):
            self.client.run(f"orphans-{number}", [
                "/bin/sh", "-c", "(sleep 0.2 & sleep 0.1 &) ; sleep 0.5"], timeout=SLOW)
        time.sleep(1)
        self.assertEqual([stat for stat in pathlib.Path("/proc").glob("[0-9]*/stat")
                          if self.is_zombie_of_ours(stat)], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
