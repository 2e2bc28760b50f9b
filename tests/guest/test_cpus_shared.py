# SPDX-License-Identifier: Apache-2.0
"""One CPU: it is shared, and only who asked for a reserved one is warned."""
import json
import pathlib
import unittest

from lib import TREE, ctl, systemctl, wait_until

CPUS = (1,)
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
RECORD = pathlib.Path("/run/tariff/host-changes.json")


class OneCpu(unittest.TestCase):
    def test_it_is_shared_and_nothing_of_the_machine_is_changed(self):
        # A test before this one may have kept the agent from writing its record; it asks again.
        try:
            wait_until(lambda: RECORD.exists() and not ctl("status").get("warnings"), timeout=90,
                       what="a status without warnings")
        except AssertionError as problem:
            self.fail(f"{problem}: {ctl('status').get('warnings')}")
        status = ctl("status")
        self.assertEqual(status["cpu_mode"], "shared")
        self.assertIn("only 1 CPU online", status["cpu_reason"])
        self.assertEqual(json.loads(RECORD.read_text())["changes"], [])
        self.assertEqual((TREE / "class-1-bulk" / "cpuset.cpus").read_text().strip(), "")

    def test_who_asked_for_a_reserved_one_is_warned(self):
        shipped = CONFIG.read_text()
        CONFIG.write_text(shipped + "\ncpus: {mode: reserved}\n")
        try:
            systemctl("reload", "tariffd")
            wait_until(lambda: any("cpus.mode is reserved, but the CPUs are shared" in text
                                   for text in ctl("status").get("warnings", [])),
                       what="the warning")
        finally:
            CONFIG.write_text(shipped)
            systemctl("reload", "tariffd")
        wait_until(lambda: not any("cpus.mode" in text
                                   for text in ctl("status").get("warnings", [])),
                   what="the end of the warning")


if __name__ == "__main__":
    unittest.main()
