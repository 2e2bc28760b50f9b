# SPDX-License-Identifier: Apache-2.0
"""The packages: an upgrade while jobs run, removal, purge, and installing again."""
import os
import pathlib
import time
import unittest

from lib import (FUNCTIONS, TREE, UNITS, ctl, functions, is_active, job_pids, main_pid, place, run,
                 systemctl, wait_until)

SHARE = pathlib.Path("/mnt/share/debs") / os.environ.get("TARIFF_SUITE", "bookworm")
PACKAGES = ("tariff-bench", "tariff-examples", "tariff-sim", "tariff")
BUSY = """
  - {name: package-busy, class: bulk, argv: [/bin/sh, -c, 'i=0; while :; do i=$((i+1)); done']}
  - {name: package-sleep, class: standard, argv: [/bin/sh, -c, 'sleep 60; echo survived']}
"""


def version():
    return run("dpkg-query", "-W", "-f", "${Version}", "tariff")


def dpkg(*words):
    return run("dpkg", "--force-unsafe-io", *words, timeout=280, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive",
                                                 "LC_ALL": "C"})


def install(folder):
    debs = sorted(folder.glob("*.deb"))
    assert debs, f"{folder} has no package"
    dpkg("-i", *debs)
    for unit in UNITS:
        wait_until(lambda unit=unit: is_active(unit), what=f"{unit} active")
    wait_until(lambda: run("tariffctl", "poll", status=None), what="an answer of the agent")


class Package(unittest.TestCase):
    TIMEOUT_S = 600  # dpkg alone takes 20 s in a guest, and the hog leaves one CPU of two

    def tearDown(self):
        """Whatever happened: this build installed and running, for the tests that follow."""
        if version_or_none() is None or not is_active("tariffd.service"):
            install(SHARE)

    def test_an_upgrade_under_load_ends_no_job(self):
        before = version()
        with functions("package", BUSY):
            # One CPU is left to dpkg: on one twentieth of a CPU an upgrade takes an hour in a guest.
            hogs = [place("package-busy") for _ in range(os.cpu_count() - 1)]
            sleepers = [place("package-sleep") for _ in range(3)]
            wait_until(lambda: len(job_pids()) >= 4, what="four jobs")
            pids = job_pids()
            agent, launcher, holder = (main_pid(f"{name}.service")
                                       for name in ("tariffd", "tariff-launcher", "tariff-jobs"))
            start = time.monotonic()
            install(SHARE / "next")
            print(f"the upgrade took {time.monotonic() - start:.1f} s")
            self.assertEqual(version(), before + "+next")
            self.assertNotEqual(main_pid("tariffd.service"), agent)
            self.assertEqual(main_pid("tariff-launcher.service"), launcher)
            self.assertEqual(os.stat(f"/proc/{launcher}/exe").st_ino,
                             os.stat("/usr/lib/tariff/tariff-launcher").st_ino)  # upgraded in place
            self.assertEqual(main_pid("tariff-jobs.service"), holder)
            self.assertLessEqual(set(hogs), {job["id"] for job in ctl("jobs")["jobs"]})
            for sleeper in sleepers:
                self.assertEqual(run("tariffctl", "wait", sleeper), "survived\n")
            self.assertLessEqual(set(job_pids()), set(pids))  # no job was started again
            for job in hogs:
                run("tariffctl", "cancel", job)
            wait_until(lambda: not job_pids(), what="the end of the cancelled jobs")

    def test_removal_ends_jobs_and_purge_leaves_nothing(self):
        with functions("package", BUSY):
            for name in ("package-busy", "package-sleep", "package-sleep"):
                place(name)
            wait_until(lambda: len(job_pids()) >= 3, what="three jobs")
            pids = job_pids()
        dpkg("-r", *PACKAGES)
        for pid in pids:
            self.assertFalse(pathlib.Path(f"/proc/{pid}").exists(), f"job {pid} lives on")
        self.assertFalse(TREE.exists(), "the job tree is still there")
        for unit in UNITS:
            self.assertFalse(is_active(unit), unit)
        self.assertTrue(FUNCTIONS.exists(), "removal alone keeps the configuration")
        dpkg("-P", *PACKAGES)
        for path in ("/etc/tariff", "/run/tariff", "/usr/lib/tariff", "/usr/share/tariff"):
            self.assertFalse(pathlib.Path(path).exists(), path)
        enabled = [str(path) for path in pathlib.Path("/etc/systemd/system").rglob("tariff*")
                   if "tariff-vm" not in path.name]
        self.assertEqual(enabled, [])
        self.assertEqual(systemctl("list-units", "--failed", "--plain", "--no-legend").strip(), "")
        install(SHARE)
        self.assertIn("hello", run("tariffctl", "run", "hello"))


def version_or_none():
    text = run("dpkg-query", "-W", "-f", "${db:Status-Status}", "tariff", status=None)
    return text if text == "installed" else None
