# SPDX-License-Identifier: Apache-2.0
"""The installed system after boot: units, sockets, the job tree, priorities."""
import grp
import os
import pathlib
import stat
import unittest

from lib import CGROUP, TREE, UNITS, ctl, is_active, journal, main_pid, run, systemctl, wait_until

CPUS = (1, 2)


def scheduling(pid):
    return os.sched_getscheduler(pid), os.sched_getparam(pid).sched_priority


class Units(unittest.TestCase):
    def test_every_unit_is_active(self):
        for unit in UNITS:
            self.assertTrue(wait_until(lambda unit=unit: is_active(unit), what=unit), unit)
        self.assertEqual(systemctl("list-units", "--failed", "--plain", "--no-legend").strip(), "")

    def test_systemd_has_no_complaint_about_our_units(self):
        folder = pathlib.Path("/usr/lib/systemd/system")
        units = [str(path) for path in folder.glob("tariff*")]
        self.assertGreaterEqual(len(units), len(UNITS))
        said = run("sh", "-c", "systemd-analyze verify \"$@\" 2>&1", "sh", *units, status=None)
        self.assertNotIn("tariff", "\n".join(
            line for line in said.splitlines() if "tariff-vm" not in line))

    def test_the_kernel_and_systemd_are_those_of_the_suite(self):
        kernel, version = {"trixie": ("6.12.", "257"), "bookworm": ("6.1.", "252")}[
            os.environ.get("TARIFF_SUITE", "bookworm")]
        self.assertTrue(os.uname().release.startswith(kernel))
        self.assertIn(f"systemd {version}", run("systemctl", "--version"))


class Sockets(unittest.TestCase):
    def check(self, path, mode, group):
        status = os.stat(path)
        self.assertTrue(stat.S_ISSOCK(status.st_mode))
        self.assertEqual(stat.S_IMODE(status.st_mode), mode)
        self.assertEqual(status.st_uid, 0)
        self.assertEqual(grp.getgrgid(status.st_gid).gr_name, group)

    def test_the_group_may_talk_to_the_agent(self):
        self.check("/run/tariff/agent.sock", 0o660, "tariff")

    def test_only_root_may_talk_to_the_launcher(self):
        self.check("/run/tariff/launcher.sock", 0o600, "root")

    def test_the_directory_is_roots(self):
        status = os.stat("/run/tariff")
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o755, 0))


class Tree(unittest.TestCase):
    def test_the_holder_sits_in_its_own_leaf(self):
        procs = (TREE / "holder" / "cgroup.procs").read_text().split()
        self.assertEqual(procs, [str(main_pid("tariff-jobs.service"))])
        self.assertEqual((TREE / "cgroup.procs").read_text(), "")

    def test_each_class_has_a_cgroup_with_its_rank(self):
        names = [row["name"] for row in ctl("status")["classes"]]
        made = sorted(path.name for path in TREE.glob("class-*"))
        self.assertEqual(len(made), len(names))
        for name in names:
            self.assertTrue(any(path.endswith(f"-{name}") for path in made), (name, made))

    def test_controllers_reach_the_jobs(self):
        for directory in TREE.glob("class-*"):
            enabled = (directory / "cgroup.subtree_control").read_text().split()
            self.assertLessEqual({"cpu", "memory", "pids"}, set(enabled), directory)

    def test_only_our_services_are_in_the_slice(self):
        inside = {path.name for path in (CGROUP / "tariff.slice").iterdir() if path.is_dir()}
        self.assertEqual(inside, {"tariffd.service", "tariff-launcher.service",
                                  "tariff-jobs.service", "tariff-shutdown.service"})


class Protection(unittest.TestCase):
    def test_fifo_bands(self):
        self.assertEqual(scheduling(main_pid("tariffd.service")), (os.SCHED_FIFO, 60))
        self.assertEqual(scheduling(main_pid("tariff-launcher.service")), (os.SCHED_FIFO, 58))

    def test_the_kernel_spares_agent_launcher_and_holder(self):
        for unit, score in (("tariffd.service", -999), ("tariff-launcher.service", -1000),
                            ("tariff-jobs.service", -1000)):
            path = pathlib.Path(f"/proc/{main_pid(unit)}/oom_score_adj")
            self.assertEqual(int(path.read_text()), score, unit)

    def test_memory_is_protected_on_every_ancestor(self):
        def protected(path):
            return int((path / "memory.min").read_text())
        slice_ = CGROUP / "tariff.slice"
        for unit in ("tariffd.service", "tariff-launcher.service", "tariff-jobs.service"):
            self.assertGreater(protected(slice_ / unit), 0, unit)
        self.assertGreaterEqual(
            protected(slice_), sum(protected(path) for path in slice_.glob("*.service")))

    def test_the_holder_refuses_a_manual_stop(self):
        pid = main_pid("tariff-jobs.service")
        self.assertIn("efused", run("sh", "-c", "systemctl stop tariff-jobs.service 2>&1",
                                    status=None))
        self.assertEqual(main_pid("tariff-jobs.service"), pid)


class OneJob(unittest.TestCase):
    def test_a_function_runs_and_answers(self):
        self.assertIn("hello", run("tariffctl", "run", "hello"))

    def test_the_agent_logs_to_the_journal(self):
        said = " ".join(str(entry.get("MESSAGE")) for entry in journal("-u", "tariffd.service"))
        self.assertIn("ready", said)
