# SPDX-License-Identifier: Apache-2.0
"""Reserved CPUs on two CPUs: who runs where, what is changed on the machine, and that it goes back."""
import contextlib
import json
import os
import pathlib
import time
import unittest

from lib import (CGROUP, TREE, crash_point, ctl, functions, main_pid, place, run, systemctl,
                 wait_until)

CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
RECORD = pathlib.Path("/run/tariff/host-changes.json")
ONLINE = pathlib.Path("/sys/devices/system/cpu/cpu1/online")
SYSTEM, CLASSES = "0", "1"
WHERE = "- {name: cpus-where, class: standard, argv: [/bin/grep, Cpus_allowed_list, /proc/self/status]}\n"
HOG = "- {name: cpus-hog, class: critical, argv: [/bin/sh, -c, 'while :; do :; done']}\n"


def settled(mode):
    """The status once the mode is in effect, on the machine as well."""
    def look():
        try:
            status = ctl("status")
        except AssertionError:  # it is being restarted
            return None
        changes = int(status.get("host_changes", 0))
        right = status.get("cpu_mode") == mode and (changes > 0) == (mode == "reserved")
        return right and json.loads(RECORD.read_text())["mode"] == mode and status
    return wait_until(look, timeout=60, what=f"{mode} mode")


def allowed(*argv):
    """Where a process that systemd starts may run."""
    return run("systemd-run", "-q", "--pipe", "--wait", *argv, "grep", "Cpus_allowed_list",
               "/proc/self/status").split()[-1]


def kernel_threads():
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            rest = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if rest[1] == "2" and not int(rest[6]) & 0x04000000:
                yield int(entry.name)


def machine():
    """Everything that reserving may change, by name."""
    values = {}
    for pattern in ("/sys/fs/cgroup/*/cpuset.cpus", "/proc/irq/*/smp_affinity_list",
                    "/proc/irq/default_smp_affinity", "/sys/devices/virtual/workqueue/cpumask",
                    "/sys/devices/virtual/workqueue/*/cpumask"):
        for path in pathlib.Path("/").glob(pattern[1:]):
            with contextlib.suppress(OSError):
                values[str(path)] = path.read_text()
    for unit in ("system.slice", "user.slice", "init.scope", "tariffd.service",
                 "tariff-launcher.service"):
        values[unit] = systemctl("show", "-P", "AllowedCPUs", unit)
    for pid in kernel_threads():
        with contextlib.suppress(OSError):
            values[pid] = os.sched_getaffinity(pid)
    return values


class Cpus(unittest.TestCase):
    def setUp(self):
        settled("reserved")

    def stop(self):
        systemctl("stop", "tariffd.socket", "tariffd.service")
        self.addCleanup(systemctl, "start", "tariffd.socket", "tariffd.service")
        wait_until(lambda: not RECORD.exists(), what="undoing")

    def assert_same(self, before, after):
        both = before.keys() & after.keys()  # threads and slices come and go
        self.assertGreater(len(both), 20)
        self.assertEqual({name: before[name] for name in both},
                         {name: after[name] for name in both})

    @contextlib.contextmanager
    def configured(self, text):
        shipped = CONFIG.read_text()
        CONFIG.write_text(shipped + text)
        systemctl("reload", "tariffd")
        try:
            yield
        finally:
            CONFIG.write_text(shipped)
            systemctl("reload", "tariffd")

    def test_jobs_and_everybody_else_run_on_cpus_of_their_own(self):
        with functions("cpus", WHERE):
            self.assertEqual(run("tariffctl", "run", "cpus-where", "--payload", "").split()[-1],
                             CLASSES)
        self.assertEqual(allowed(), SYSTEM)
        self.assertEqual(allowed("--slice=user.slice"), SYSTEM)
        for unit in ("tariffd.service", "tariff-launcher.service"):
            self.assertEqual(os.sched_getaffinity(main_pid(unit)), {int(SYSTEM)})
        self.assertEqual(os.sched_getaffinity(1), {int(SYSTEM)})

    def test_a_slice_that_starts_later_is_kept_off_the_class_cpus_too(self):
        systemctl("stop", "later.slice", status=None)
        run("systemd-run", "-q", "--unit=later", "--slice=later.slice", "sleep", "600")
        self.addCleanup(systemctl, "stop", "later.slice")
        effective = CGROUP / "later.slice" / "later.service" / "cpuset.cpus.effective"
        wait_until(lambda: os.sched_getaffinity(main_pid("later.service")) == {int(SYSTEM)},
                   what=f"confining {effective}")

    def test_what_is_changed_is_recorded_and_goes_back_to_the_byte(self):
        reserved = machine()
        record = json.loads(RECORD.read_text())
        self.assertEqual(oct(RECORD.stat().st_mode)[-3:], "644")
        self.assertEqual((record["mode"], record["system_cpus"], record["class_cpus"]),
                         ("reserved", SYSTEM, CLASSES))
        kinds = {change["what"] for change in record["changes"]}
        self.assertEqual(kinds, {"unit-property", "workqueue", "irq", "kthread"})
        for change in record["changes"]:
            self.assertNotEqual(change["before"], change["now"], change)
        self.stop()
        free = machine()
        self.assertEqual(free["/sys/devices/virtual/workqueue/cpumask"].strip(), "3")
        self.assertEqual(free["system.slice"].strip(), "")
        self.assertEqual(allowed(), "0-1")
        self.assertNotEqual(free["/proc/irq/default_smp_affinity"],
                            reserved["/proc/irq/default_smp_affinity"])
        # Jobs outlive the agent where they are.
        self.assertEqual((TREE / "class-1-bulk" / "cpuset.cpus").read_text().strip(), CLASSES)
        systemctl("start", "tariffd.service")
        settled("reserved")
        self.stop()
        self.assert_same(free, machine())

    def test_an_agent_killed_between_two_changes_does_not_forget_the_first_values(self):
        self.stop()
        free = machine()
        # It dies again and again, each time eight changes further, and systemd starts it again.
        with crash_point("tariffd.service", "agent.host_changed:8"):
            settled("reserved")
            self.assertGreater(int(systemctl("show", "-P", "NRestarts", "tariffd.service")), 0)
            self.stop()
            self.assert_same(free, machine())

    def test_a_restart_leaves_the_machine_as_it_is(self):
        def kept():  # kernel threads come and go
            return [change for change in json.loads(RECORD.read_text())["changes"]
                    if change["what"] != "kthread"]
        before = kept()
        entered = systemctl("show", "-P", "ActiveEnterTimestampMonotonic", "tariff-host.service")
        systemctl("restart", "tariffd.service")
        settled("reserved")
        self.assertEqual(kept(), before)
        self.assertEqual(entered, systemctl("show", "-P", "ActiveEnterTimestampMonotonic",
                                            "tariff-host.service"))

    def test_a_reload_to_shared_undoes_it_and_one_back_does_it_again(self):
        with self.configured("\ncpus: {mode: shared}\n"):
            status = settled("shared")
            self.assertEqual(status["class_cpus"], "0-1")
            self.assertEqual(allowed(), "0-1")
            effective = TREE / "class-1-bulk" / "cpuset.cpus.effective"
            wait_until(lambda: effective.read_text().strip() == "0-1", what="CPUs for all")
        settled("reserved")
        self.assertEqual((TREE / "class-1-bulk" / "cpuset.cpus").read_text().strip(), CLASSES)

    def test_a_lost_cpu_makes_them_shared_and_says_so_until_it_is_back(self):
        self.addCleanup(ONLINE.write_text, "1")
        ONLINE.write_text("0")
        status = settled("shared")
        self.assertIn("a CPU went away", " ".join(status["warnings"]))
        with functions("cpus", WHERE):
            run("tariffctl", "run", "cpus-where", "--payload", "")
        ONLINE.write_text("1")
        self.assertFalse(settled("reserved").get("warnings"))

    def test_a_reload_is_answered_while_jobs_use_every_class_cpu(self):
        with functions("cpus", HOG):
            jobs = [place("cpus-hog") for _ in range(2)]
            try:
                wait_until(lambda: ctl("status")["classes"][-1].get("running"), what="the hogs")
                begin = time.monotonic()
                systemctl("reload", "tariffd")
                self.assertLess(time.monotonic() - begin, 15)
            finally:
                for job in jobs:
                    run("tariffctl", "cancel", job)


if __name__ == "__main__":
    unittest.main()
