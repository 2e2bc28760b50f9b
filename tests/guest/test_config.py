# SPDX-License-Identifier: Apache-2.0
"""The configuration of a running agent: what --check-config and --diff say, what a reload applies,
what it names as needing a restart, and that a bad file changes nothing."""
import json
import os
import pathlib
import subprocess
import time
import unittest

TIMEOUT_S = 180
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
FUNCTIONS = pathlib.Path("/etc/tariff/functions.d/test-config.yaml")
TREE = pathlib.Path("/sys/fs/cgroup/tariff.slice/tariff-jobs.service")

SIX_CLASSES = """classes:
  - {name: bulk, price: 0.4}
  - {name: background, price: 0.7}
  - {name: standard, price: 1.0}
  - {name: interactive, price: 1.5, pids_max: 4096}
  - {name: critical, price: 2.0}
  - {name: royal, price: 9}
"""


def run(*command, status=0):
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status, (command, done.returncode, done.stdout, done.stderr)
    return done


def status():
    return json.loads(run("tariffctl", "status", "--json").stdout)


def reload_agent(fails=False):
    done = subprocess.run(["systemctl", "reload", "tariffd"], capture_output=True, text=True,
                          timeout=TIMEOUT_S)
    assert (done.returncode != 0) == fails, done
    return done


def result_of(function):
    return run("tariffctl", "run", function, "--payload", "").stdout


class Config(unittest.TestCase):
    def setUp(self):
        self.shipped = CONFIG.read_text()

    def tearDown(self):
        CONFIG.write_text(self.shipped)
        FUNCTIONS.unlink(missing_ok=True)
        reload_agent()

    def test_the_shipped_file_is_good_and_stands_for_the_defaults(self):
        done = run("tariffd", "--check-config", "--diff")
        self.assertIn("5 classes", done.stdout)
        self.assertIn("nothing changes", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_every_error_comes_at_once_with_its_place_and_a_hint(self):
        CONFIG.write_text("clases: []\nlimits:\n  max_jobs: many\n  kill_grace: 2\n")
        done = run("tariffd", "--check-config", status=1)
        self.assertEqual(done.stderr, f"""\
{CONFIG}:1:1: error: the file has no key 'clases'
   1 | clases: []
     | ^~~~~~
  hint: did you mean 'classes'?

{CONFIG}:3:13: error: 'max_jobs': 'many' is not a whole number
   3 |   max_jobs: many
     |             ^~~~

{CONFIG}:4:15: error: 'kill_grace': '2' is not a duration
   4 |   kill_grace: 2
     |               ^
  hint: write a whole number and ms, s, min, h or d: 500ms, 2s, 10min

3 errors
""")

    def test_the_difference_to_what_runs_says_what_needs_a_restart(self):
        CONFIG.write_text("memory_price: 0.5\nfifo: {agent: 61}\n")
        done = run("tariffd", "--check-config", "--diff")
        self.assertIn("memory_price  0 -> 0.5  now", done.stdout)
        self.assertIn("fifo.agent    60 -> 61  needs: systemctl restart tariffd", done.stdout)

    def test_a_reload_adds_removes_and_prices_classes(self):
        CONFIG.write_text(SIX_CLASSES)
        before = status()["config_generation"]
        reload_agent()
        self.assertGreater(int(status()["config_generation"]), int(before))
        self.assertEqual((TREE / "class-4-interactive" / "pids.max").read_text(), "4096\n")
        self.assertTrue((TREE / "class-6-royal").is_dir())
        controllers = (TREE / "class-6-royal" / "cgroup.subtree_control").read_text().split()
        self.assertIn("memory", controllers)
        self.assertIn("pids", controllers)
        FUNCTIONS.write_text("functions:\n- {name: crown, class: royal, argv: [/bin/echo, up]}\n")
        reload_agent()
        self.assertEqual(result_of("crown"), "up\n")
        self.assertIn("nothing changes", run("tariffd", "--check-config", "--diff").stdout)

    def test_a_class_that_is_gone_takes_its_cgroup_with_it_once_it_is_empty(self):
        CONFIG.write_text(SIX_CLASSES)
        reload_agent()
        CONFIG.write_text(self.shipped)
        reload_agent()
        deadline = time.monotonic() + 60  # the agent looks every 10 s
        while (TREE / "class-6-royal").exists():
            self.assertLess(time.monotonic(), deadline, "class-6-royal is still there")
            time.sleep(1)
        self.assertEqual((TREE / "class-4-interactive" / "pids.max").read_text(), "max\n")

    def test_a_bad_file_changes_nothing_and_the_reload_fails(self):
        before = status()
        for text in ("classes:\n  - {name: bulk, price: 0}\n", "", "limits: [", "\x1b[2J"):
            CONFIG.write_text(text)
            reload_agent(fails=True)
        after = status()
        self.assertEqual(after["config_generation"], before["config_generation"])
        self.assertEqual([row["name"] for row in after["classes"]],
                         [row["name"] for row in before["classes"]])

    def test_a_bad_function_file_changes_no_function(self):
        FUNCTIONS.write_text("functions:\n- {name: one, class: bulk, argv: [/bin/echo, 1]}\n")
        reload_agent()
        FUNCTIONS.write_text("functions:\n- {name: two, class: bulk, argv: [echo]}\n")
        reload_agent(fails=True)
        self.assertEqual(result_of("one"), "1\n")
        names = run("tariffctl", "functions").stdout
        self.assertNotIn("two", names)

    def test_a_reload_applies_what_it_can_and_names_the_rest(self):
        CONFIG.write_text("memory_price: 0.5\nfifo: {agent: 61}\n")
        reload_agent()
        named = status()["config_needs_restart"]
        self.assertEqual(len(named), 1)
        self.assertIn("fifo.agent", named[0])
        diff = run("tariffd", "--check-config", "--diff").stdout
        self.assertNotIn("memory_price", diff)
        self.assertIn("fifo.agent  60 -> 61  needs", diff)

    def test_a_class_with_a_function_cannot_go(self):
        FUNCTIONS.write_text("functions:\n- {name: one, class: bulk, argv: [/bin/echo, 1]}\n")
        reload_agent()
        CONFIG.write_text("classes:\n  - {name: standard, price: 1}\n")
        done = run("tariffd", "--check-config", status=1)
        self.assertIn("there is no class 'bulk'", done.stderr)
        reload_agent(fails=True)

    def test_the_checks_need_no_root(self):
        CONFIG.chmod(0o644)
        done = run("setpriv", "--reuid=65534", "--clear-groups", "tariffd", "--check-config")
        self.assertIn("no errors", done.stdout)


if __name__ == "__main__":
    os.chdir("/")
    unittest.main(verbosity=2)
