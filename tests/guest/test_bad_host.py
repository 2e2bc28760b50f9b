# SPDX-License-Identifier: Apache-2.0
"""A host in bad shape: what breaks is told with its reason, costs a bounded amount, loses nothing,
and is over when the host is well again."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time
import unittest

from lib import TREE, ctl, functions, is_active, journal, main_pid, place, run, systemctl, wait_until

CPUS = (1, 2)
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
JOBS = """
  - {name: host-sleep, class: standard, argv: [/bin/sh, -c, 'sleep "$(cat)"; echo slept']}
  - {name: host-chat, class: standard, argv: [/bin/sh, -c, 'echo said >&2; cat']}
  - {name: host-forever, class: standard, argv: [/bin/sleep, '600'], timeout: 3s}
"""


def works():
    return run("tariffctl", "run", "host-chat", "--payload", "in and out")


class Host(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.functions = functions("bad-host", JOBS)
        cls.functions.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.functions.__exit__(None, None, None)

    def setUp(self):
        self.pids = self.daemons()

    def daemons(self):
        return [main_pid(f"{name}.service") for name in ("tariffd", "tariff-launcher")]


class TwoAgents(Host):
    def test_the_second_refuses_and_the_first_goes_on(self):
        job = place("host-sleep", payload="2")
        for _ in range(2):
            done = subprocess.run(["/usr/sbin/tariffd"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("another tariffd is running", done.stderr)
        self.assertEqual(works(), "in and out")
        self.assertEqual(run("tariffctl", "wait", job), "slept\n")
        self.assertEqual(self.daemons(), self.pids)


class Disk(Host):
    def check(self):
        """Jobs, reloads, a new agent and a launcher upgraded in place, with one job all the time."""
        job = place("host-sleep", payload="5")
        self.assertEqual(works(), "in and out")
        run("tariffd", "--reload", str(self.pids[0]))
        os.kill(self.pids[0], signal.SIGKILL)
        wait_until(lambda: main_pid("tariffd.service") not in (0, self.pids[0]), what="a new agent")
        self.assertEqual(works(), "in and out")
        run("/usr/lib/tariff/tariff-launcher", "--reload")
        self.assertEqual(works(), "in and out")
        self.assertEqual(run("tariffctl", "wait", job), "slept\n")
        self.assertEqual(self.daemons()[1], self.pids[1])


class ReadOnlyRun(Disk):
    def test_read_only_run(self):
        # A remount would find files open for writing.
        run("mount", "--rbind", "/run", "/run")
        try:
            run("mount", "-o", "remount,bind,ro", "/run")
            with self.assertRaises(OSError):
                pathlib.Path("/run/tariff/x").touch()
            self.check()
        finally:
            run("umount", "--lazy", "/run")  # --recursive would take the /run below it, too
            # Started meanwhile, the agent keeps what it saw: the mounts in its namespace hold it.
            systemctl("restart", "tariffd.service")
        pathlib.Path("/run/tariff/x").touch()
        pathlib.Path("/run/tariff/x").unlink()


@contextlib.contextmanager
def full(folder):
    """No byte is left on the file system of `folder`."""
    path = pathlib.Path(folder) / "tariff-test-full"
    try:
        with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
            free = os.statvfs(folder)
            os.posix_fallocate(file.fileno(), 0, max(free.f_bavail - 64, 1) * free.f_frsize)
            file.seek(0, os.SEEK_END)
            while True:
                file.write(bytes(4096))
        yield
    finally:
        path.unlink()


class FullDisk(Disk):
    def test_run(self):
        running = pathlib.Path("/run/tariff/tariffd.yaml.running")
        before = running.read_text()
        with full("/run"):
            with self.assertRaises(OSError):
                pathlib.Path("/run/tariff/x").write_text("x")
            self.check()
            # What could not be written whole has not taken the place of what was there.
            self.assertEqual(running.read_text(), before)
        pathlib.Path("/run/tariff/x").unlink()

    def test_var(self):
        with full("/var"):
            self.check()


class Journald(Host):
    UNITS = ("systemd-journald.socket", "systemd-journald-dev-log.socket",
             "systemd-journald-audit.socket", "systemd-journald.service")

    def upgrades_told(self):
        return sum("upgraded in place" in str(entry.get("MESSAGE"))
                   for entry in journal("_COMM=tariff-launcher"))

    def test_stopped_and_started_again(self):
        units = [unit for unit in self.UNITS if is_active(unit)]
        systemctl("stop", *units)
        try:
            begin = time.monotonic()
            for _ in range(3):
                self.assertEqual(works(), "in and out")
            self.assertLess(time.monotonic() - begin, 30)
            job = place("host-sleep", payload="2")
            self.assertEqual([unit for unit in units if is_active(unit)], [])
        finally:
            systemctl("start", *units)
        self.assertEqual(run("tariffctl", "wait", job), "slept\n")
        job = place("host-chat")
        run("tariffctl", "wait", job)
        wait_until(lambda: journal(f"JOB_ID={job}"), what="the job's line")
        before = self.upgrades_told()
        run("/usr/lib/tariff/tariff-launcher", "--reload")
        wait_until(lambda: self.upgrades_told() > before, what="the launcher's line")
        before = len(journal("SYSLOG_IDENTIFIER=tariffd"))
        systemctl("reload", "tariffd")
        wait_until(lambda: len(journal("SYSLOG_IDENTIFIER=tariffd")) > before,
                   what="the agent's line")
        self.assertEqual(self.daemons(), self.pids)


class Clock(Host):
    def test_set_back_a_day(self):
        job = place("host-sleep", payload="3")
        limited = place("host-forever")
        up, begin = ctl("status")["uptime_ns"], time.monotonic()
        run("date", "-s", "-1 day")
        try:
            self.assertEqual(works(), "in and out")
            later = place("host-forever")
            self.assertEqual(run("tariffctl", "wait", job), "slept\n")
            for id_ in (limited, later):
                ended = wait_until(lambda: (found := ctl("job", id_))
                                   and found["state"] == "ended" and found, what="the timeout")
                self.assertEqual(ended["end_reason"], "timeout")
                took = ended["ended_ns"] / 1e9
                self.assertTrue(2.9 < took < 20, took)
            self.assertGreater(ctl("status")["uptime_ns"], up)
        finally:
            # What the clock was, not a day more: it went on meanwhile.
            run("date", "-s", "+1 day")
        self.assertLess(time.monotonic() - begin, 60)
        for id_ in (limited, later):
            run("tariffctl", "wait", id_, status=None)


REIGN = 'trap "echo reigned; exit" USR1; while :; do sleep 0.1; done'


def catches_usr1(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("SigCgt:")[1].split()[0], 16) >> (signal.SIGUSR1 - 1) & 1


class RemovedClass(Host):
    def test_its_jobs_end_normally_and_then_its_cgroup_goes(self):
        shipped = CONFIG.read_text()
        folder = TREE / "class-6-royal"
        classes = "classes:\n" + "".join(
            f"  - {{name: {name}, price: {price}}}\n" for name, price in
            (("bulk", 0.3), ("background", 0.7), ("standard", 1.0), ("interactive", 1.5),
             ("critical", 2.0), ("royal", 9)))
        try:
            CONFIG.write_text(classes)
            systemctl("reload", "tariffd")
            with functions("royal", "  - {name: crown, class: royal, "
                                    "argv: [/bin/sh, -c, '" + REIGN + "']}\n"):
                job = place("crown")
                pid = wait_until(lambda: ctl("job", job)["pid"], what="its process")
                wait_until(lambda: catches_usr1(pid), what="its beginning")
                # Both at once: no function may name a class that is not there.
                pathlib.Path("/etc/tariff/functions.d/royal.yaml").write_text("functions: []\n")
                CONFIG.write_text(shipped)
                systemctl("reload", "tariffd")
                self.assertIn("royal", str(ctl("job", job)))
                self.assertTrue(folder.is_dir())
                os.kill(pid, signal.SIGUSR1)
                self.assertEqual(run("tariffctl", "wait", job), "reigned\n")
                wait_until(lambda: not folder.exists(), timeout=60, what="the end of the cgroup")
        finally:
            CONFIG.write_text(shipped)
            systemctl("reload", "tariffd")


if __name__ == "__main__":
    unittest.main(verbosity=2)
