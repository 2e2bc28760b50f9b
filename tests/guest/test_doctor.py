# SPDX-License-Identifier: Apache-2.0
"""tariffctl doctor on a real host: what it finds is what is there, and its exit status says fit."""
import contextlib
import json
import os
import pathlib
import unittest

from lib import ctl, main_pid, run, systemctl, wait_until

CPUS = (1, 2)
CHANGES = pathlib.Path("/run/tariff/host-changes.json")


def doctor(*words, status=0):
    return json.loads(run("tariffctl", "doctor", "--json", *words, status=status))


def topics(report):
    return {finding["topic"]: finding for finding in report["findings"]}


@contextlib.contextmanager
def replaced(path, text):
    before = path.read_text() if path.exists() else None
    path.write_text(text)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)


class Doctor(unittest.TestCase):
    def setUp(self):
        # An agent that has just been started writes its record when it has changed all.
        wait_until(lambda: CHANGES.exists() and ctl("status")["host_changes"] ==
                   len(json.loads(CHANGES.read_text())["changes"]), what="the agent's record")

    def test_a_guest_is_fit_and_its_facts_are_right(self):
        report = doctor()
        found = topics(report)
        self.assertTrue(report["fit"], report)
        self.assertEqual([topic for topic, finding in found.items()
                          if finding["verdict"] == "unfit"], [])
        for topic in ("kernel", "pidfd", "systemd", "RT_GROUP_SCHED", "cgroup v2",
                      "controller memory", "controller pids", "controller cpu", "cgroup.freeze",
                      "cgroup.kill", "memory.reclaim", "pressure (PSI)", "agent", "launcher",
                      "holder", "uids of jobs", "agent's socket", "launcher's socket",
                      "agent in memory", "memory.min of tariffd.service"):
            self.assertEqual(found[topic]["verdict"], "ok", found[topic])
        self.assertIn(os.uname().release, found["kernel"]["found"])
        self.assertIn(f"pid {main_pid('tariffd')}, fifo 60", found["agent"]["found"])
        self.assertIn(f"pid {main_pid('tariff-launcher')}, fifo 58", found["launcher"]["found"])
        fair = pathlib.Path("/sys/kernel/debug/sched/fair_server").exists()
        self.assertEqual("fair server" in found, fair)

    def test_no_brake_on_fifo_is_unfit(self):
        runtime = pathlib.Path("/proc/sys/kernel/sched_rt_runtime_us")
        shared = '{"mode": "shared", "why": "one CPU", "changes": []}'
        systemctl("stop", "tariffd.socket", "tariffd.service")  # it would write its own again
        self.addCleanup(systemctl, "start", "tariffd.socket", "tariffd.service")
        with replaced(CHANGES, shared), replaced(runtime, "-1"):
            servers = list(pathlib.Path("/sys/kernel/debug/sched/fair_server").glob("*/runtime"))
            if not servers:
                report = doctor(status=1)
                self.assertEqual(topics(report)["RT throttling"]["verdict"], "unfit")
            with contextlib.ExitStack() as stack:
                for server in servers:
                    stack.enter_context(replaced(server, "0"))
                if servers:
                    self.assertEqual(topics(doctor(status=1))["fair server"]["verdict"], "unfit")

    def test_host_changes_are_listed_with_what_was_before(self):
        changes = [{"what": "AllowedCPUs", "target": "system.slice", "before": "", "now": "0"}]
        text = json.dumps({"mode": "reserved", "why": "2 CPUs", "system_cpus": "0",
                           "class_cpus": "1", "changes": changes})
        with replaced(CHANGES, text):
            report = doctor()
            self.assertEqual(report["host_changes"],
                             [{**change, "present": None} for change in changes])
            self.assertEqual(topics(report)["CPU mode"]["found"],
                             "reserved: system 0, classes 1")
            self.assertIn("AllowedCPUs system.slice:  -> 0", run("tariffctl", "doctor"))
        with replaced(CHANGES, "no JSON"):
            self.assertEqual(topics(doctor())["CPU mode"]["verdict"], "unknown")

    def test_what_somebody_else_changed_since_is_found(self):
        mask = pathlib.Path("/sys/devices/virtual/workqueue/cpumask")
        now = mask.read_text().strip()
        changes = [{"what": "workqueue", "target": "cpumask", "before": "ff", "now": now}]
        text = json.dumps({"mode": "reserved", "why": "2 CPUs", "system_cpus": "0",
                           "class_cpus": "1", "changes": changes})
        with replaced(CHANGES, text):
            self.assertEqual(topics(doctor())["host change"]["verdict"], "note")
        changes[0]["now"] = "8"  # what the record says that we wrote
        with replaced(CHANGES, json.dumps({**json.loads(text), "changes": changes})):
            finding = topics(doctor())["host change"]
            self.assertEqual(finding["verdict"], "warning")
            self.assertIn(f"ff -> 8, but is {now}", finding["found"])

    def test_all_that_the_agent_has_changed_is_still_so(self):
        report = doctor()
        for finding in report["findings"]:
            if finding["topic"] == "host change":
                self.assertEqual(finding["verdict"], "note", finding)
        read = [change for change in report["host_changes"] if change["present"] is not None]
        self.assertEqual(len(read), len(report["host_changes"]))
        self.assertEqual(bool(read), os.cpu_count() > 1)

    def test_a_user_in_the_range_of_jobs_is_unfit(self):
        passwd = pathlib.Path("/etc/passwd")
        with replaced(passwd, passwd.read_text() + "intruder:x:2000005:100::/:/bin/false\n"):
            finding = topics(doctor(status=1))["uids of jobs"]
            self.assertEqual(finding["verdict"], "unfit")
            self.assertIn("intruder", finding["found"])

    def test_it_works_without_root_and_without_the_agent(self):
        systemctl("stop", "tariffd.socket", "tariffd.service")
        try:
            report = json.loads(run("setpriv", "--reuid=nobody", "--clear-groups", "--regid=nogroup",
                                    "tariffctl", "doctor", "--json"))
        finally:
            systemctl("start", "tariffd.socket", "tariffd.service")
        self.assertTrue(report["fit"], report)
        self.assertFalse(report["root"])
        self.assertEqual(topics(report)["agent"]["verdict"], "warning")
        self.assertEqual(topics(report)["cgroup v2"]["verdict"], "ok")

    def test_strict_takes_warnings_as_faults(self):
        report = doctor()
        warned = any(finding["verdict"] == "warning" for finding in report["findings"])
        self.assertEqual(doctor("--strict", status=int(warned))["fit"], not warned)
        self.assertTrue(warned, "a guest without swap is warned about")
