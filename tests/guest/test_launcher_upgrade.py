# SPDX-License-Identifier: Apache-2.0
"""The launcher upgrades in place: the installed program takes over process, jobs, records, results,
requests. What cannot take over is refused before anything is given up; kill -9 on the way is a
launcher's death like any other."""
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import time
import unittest

from launcher_bench import Bench, program
from launcher_client import ENUM, Client, Refused, nanoseconds, reason

CPUS = (1, 2)


class UpgradeCase(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.installed = self.bench.directory / "installed"
        self.installed.mkdir()
        for name in ("tariff-launcher", "tariff-exec"):
            shutil.copy2(program(name), self.installed / name)
        self.bench.launcher = str(self.installed / "tariff-launcher")

    def tearDown(self):
        log = self.bench.log.read_text() if self.bench.log.exists() else ""
        self.bench.stop()
        print(log, end="")

    def install(self, text=None, mode=0o755):
        """Another program under the same name, as a package does it: a new file renamed over."""
        fresh = self.installed / "tariff-launcher.new"
        if text is None:
            shutil.copy2(program("tariff-launcher"), fresh)
        else:
            fresh.write_text(text)
            fresh.chmod(mode)
        fresh.rename(self.installed / "tariff-launcher")

    def runs_installed(self):
        return (os.stat(f"/proc/{self.bench.process.pid}/exe").st_ino ==
                os.stat(self.installed / "tariff-launcher").st_ino)

    def upgrade(self, timeout=60):
        asker = Client(self.bench.socket, hello=False)
        try:
            return asker.ask("upgrade", timeout=timeout)["upgrade"]
        finally:
            asker.close()


class KeepsEverything(UpgradeCase):
    def test_jobs_records_and_results(self):
        client = self.bench.start()
        gate = pathlib.Path(f"/run/tariff-test-{os.getpid()}")  # a job's /tmp is its own
        self.addCleanup(lambda: gate.unlink(missing_ok=True))
        wait = f"while [ ! -e {gate} ]; do sleep 0.2; done; "
        client.launch("cat", ["/bin/sh", "-c", wait + "cat; echo end"], payload=b"payload ")
        client.launch("marker", ["/bin/sh", "-c", wait + "printf 1 >&3; exit 4"])
        client.launch("stderr", ["/bin/sh", "-c", "printf left >&2; " + wait + "echo right >&2"])
        client.launch("timeout", ["/bin/sleep", "600"], timeout_ns=nanoseconds(12))
        client.launch("cancel", ["/bin/sh", "-c", "trap 'echo asked; exit 9' TERM; "
                                 "while :; do sleep 0.1; done"])
        client.run("small", ["/bin/sh", "-c", "echo small; exit 3"])
        client.run("large", ["/bin/sh", "-c", "head -c 300000 /dev/zero"])
        client.run("silent", ["/bin/true"])
        client.run("dropped", ["/bin/true"])
        client.ask("acknowledge", id="dropped")
        for name in ("cat", "marker", "stderr", "timeout", "cancel"):
            client.wait_event(name, lambda record: record["state"] == ENUM["STATE_RUNNING"])
        before = client.list()
        pid = self.bench.process.pid
        self.install()
        self.upgrade()
        self.assertIsNone(self.bench.process.poll())
        self.assertEqual(self.bench.process.pid, pid)
        self.assertTrue(self.runs_installed())

        after = client.list()  # the same connection
        self.assertEqual(set(before), set(after))
        for name, record in before.items():
            self.assertEqual({**record, "memory_byte_us_low": 0},
                             {**after[name], "memory_byte_us_low": 0})
        gate.touch()
        for name in ("cat", "marker", "stderr"):
            self.assertEqual(reason(client.wait_ended(name)), "EXITED")
        self.assertEqual(client.result("cat"), b"payload end\n")
        marked = client.list()["marker"]
        self.assertEqual((marked["initialised_by"], marked["exit_status"]), (1, 4))
        self.assertEqual(client.list()["cat"]["initialised_by"], 2)  # its first read of stdin
        self.assertEqual(client.list()["stderr"]["stderr_bytes"], len("leftright\n"))
        self.assertEqual(client.result("small"), b"small\n")
        self.assertEqual(client.result("large"), bytes(300_000))
        self.assertEqual(client.result("silent"), b"")
        self.assertEqual(client.list()["small"]["exit_status"], 3)
        with self.assertRaises(Refused) as caught:
            client.launch("dropped", ["/bin/true"])
        self.assertEqual(caught.exception.code, "CODE_EXPIRED")
        client.ask("end", id="cancel", reason=ENUM["REASON_CANCELLED"])
        ended = client.wait_ended("cancel")
        self.assertEqual((reason(ended), client.result("cancel")), ("CANCELLED", b"asked\n"))
        ended = client.wait_ended("timeout")
        self.assertEqual(reason(ended), "TIMEOUT")
        self.assertLess(ended["ended_ns"] - ended["first_ran_ns"], nanoseconds(15))
        record = client.run("next", ["/bin/sh", "-c", "echo next"])
        self.assertEqual((reason(record), client.result("next")), ("EXITED", b"next\n"))
        self.assertNotIn(record["uid"], {job["uid"] for job in before.values()})
        client.close()

    def test_its_own_descriptors_do_not_grow(self):
        client = self.bench.start()
        client.launch("sleeper", ["/bin/sleep", "600"])
        def opened():
            """What its descriptors are. The process of the trial may be on its way."""
            folder = f"/proc/{self.bench.process.pid}/fd"
            kinds = []
            for fd in os.listdir(folder):
                try:
                    kinds.append(re.sub(r":.*|/class-.*|(?<=^/proc/)\d+", "",
                                        os.readlink(f"{folder}/{fd}")))
                except FileNotFoundError:
                    pass
            return sorted(kinds)

        def settled():
            while True:
                first = opened()
                time.sleep(0.3)
                if opened() == first:
                    return first

        self.upgrade()
        before = settled()
        for _ in range(3):
            self.upgrade()
        self.assertEqual(before, settled())
        command = pathlib.Path(f"/proc/{self.bench.process.pid}/cmdline").read_text()
        self.assertEqual(command.count("--state="), 1)
        client.close()

    def test_short_jobs_and_an_upgrade_every_second(self):
        """Jobs that are placed, run and end at every instant of an upgrade."""
        client = self.bench.start()
        asker = Client(self.bench.socket, hello=False)
        until = time.monotonic() + 20
        due = time.monotonic()
        upgrades, answered, number = 0, True, 0
        replies = {}
        while time.monotonic() < until or upgrades < 3:
            if answered and time.monotonic() > due:
                asker.send("upgrade")
                answered = False
                due = time.monotonic() + 1
            elif not answered and select.select([asker.socket], [], [], 0)[0]:
                asker.reply(asker.sequence)
                answered = True
                upgrades += 1
            for _ in range(4):
                number += 1
                sequence = client.launch(f"j{number}", ["/bin/sh", "-c", f"echo {number}; exit 5"],
                                         wait=False)
                replies[sequence] = f"j{number}"
            while len(replies) - len(client.ended) > 8:
                client.receive(60)
        names = set(replies.values())
        while set(client.ended) != names:
            client.receive(60)
        known = client.list()
        self.assertEqual(set(known), names)
        for name in names:
            self.assertEqual((reason(known[name]), known[name]["exit_status"]), ("EXITED", 5), name)
            self.assertEqual(client.result(name), f"{name[1:]}\n".encode())
        ends = [record["id"] for record in client.events if record["state"] == ENUM["STATE_ENDED"]]
        self.assertEqual(len(ends), len(set(ends)))  # told once each
        print(f"{number} jobs over {upgrades} upgrades")
        asker.close()
        client.close()


class Refuses(UpgradeCase):
    """What cannot take over is found out before anything is given up."""

    def check(self, says, says_again):
        client = self.bench.start()
        client.launch("job", ["/bin/sh", "-c", "sleep 5; echo done"])
        yield client
        with self.assertRaises(Refused) as caught:
            self.upgrade()
        self.assertEqual(caught.exception.code, "CODE_NOT_UPGRADED")
        self.assertRegex(caught.exception.message, says)
        self.assertEqual(reason(client.run("next", ["/bin/true"])), "EXITED")
        done = subprocess.run([program("tariff-launcher"), "--reload",
                               f"--socket={self.bench.socket}"], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, says_again)
        self.assertEqual(reason(client.wait_ended("job")), "EXITED")
        self.assertEqual(client.result("job"), b"done\n")
        self.install()  # and then one that can
        self.upgrade()
        self.assertEqual(client.list()["job"]["exit_status"], 0)
        client.close()
        yield None

    def drill(self, says, change, says_again=None):
        steps = self.check(says, says_again or says)
        next(steps)
        change()
        next(steps)

    def test_a_program_that_does_not_understand_the_state(self):
        self.drill("cannot go on from here: .* version 9",
                   lambda: self.install("#!/bin/sh\necho 'the state is of version 9'\nexit 1\n"))

    def test_a_program_that_does_not_start(self):
        self.drill("cannot go on from here: .*not found|cannot go on from here: it ended",
                   lambda: self.install("#!/bin/sh\nno-such-library\n"))

    def test_no_program(self):
        self.drill("cannot run .*No such file",
                   lambda: (self.installed / "tariff-launcher").unlink())

    def test_a_file_that_is_not_a_program(self):
        self.drill("cannot run .*Permission denied", lambda: self.install("text", mode=0o644))

    def test_a_program_that_can_be_tried_but_not_executed(self):
        """execve itself fails: the file goes away between the trial and the real thing."""
        self.drill("cannot execute .*No such file",
                   lambda: self.install("#!/bin/sh\necho accepted\nrm \"$0\"\n"),
                   "cannot run .*No such file")


class Dies(UpgradeCase):
    """kill -9 on the way: what was running is ended by the next launcher and told so."""

    def drill(self, point):
        client = self.bench.start(crash_point=point)
        pids = [client.launch(f"job-{number}", ["/bin/sh", "-c", "sleep 600 & sleep 600"])
                ["record"]["pid"] for number in range(3)]
        client.run("ended", ["/bin/true"])
        with self.assertRaises(ConnectionError):
            self.upgrade()
        self.assertEqual(self.bench.wait_dead(), -signal.SIGKILL)
        for pid in pids:
            os.kill(pid, 0)
        with self.assertRaises((ConnectionError, BrokenPipeError)):
            client.list()
        client.close()
        client = self.bench.start()
        for number in range(3):
            record = client.list()[f"job-{number}"]
            if record["state"] != ENUM["STATE_ENDED"]:
                record = client.wait_ended(f"job-{number}")
            self.assertEqual(reason(record), "LAUNCHER_LOST")
        for pid in pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assertEqual(reason(client.run("next", ["/bin/true"])), "EXITED")
        until = time.monotonic() + 10
        while len(self.bench.leaves()) > 12 and time.monotonic() < until:
            time.sleep(0.1)
        self.assertLessEqual(len(self.bench.leaves()), 12)  # three classes, four ready ones each
        client.close()

    def test_after_the_state_is_written(self):
        self.drill("launcher.state_written")

    def test_before_execve(self):
        self.drill("launcher.before_exec")

    def test_after_execve_before_it_takes_over(self):
        self.drill("launcher.after_exec")


if __name__ == "__main__":
    unittest.main(verbosity=2)
