# SPDX-License-Identifier: Apache-2.0
"""tariffctl against a running agent: every command, its JSON, its exit statuses, and what becomes
of it when the agent is killed."""
import json
import os
import pathlib
import pwd
import re
import subprocess
import tempfile
import threading
import time
import unittest

import lib
from lib import TIMEOUT_S, place, wait_until

FUNCTIONS = """
  - {name: ctl-cat, class: standard, argv: [/bin/cat]}
  - {name: ctl-status, class: standard, argv: [/bin/sh, -c, 'read n; exit $n']}
  - {name: ctl-suicide, class: standard, argv: [/bin/sh, -c, 'kill -9 $$']}
  - {name: ctl-missing, class: standard, argv: [/nonexistent/handler]}
  - {name: ctl-sleep, class: standard, argv: [/bin/sh, -c, 'read n; sleep $n; echo slept']}
  - {name: ctl-late, class: standard, argv: [/bin/sleep, '100'], timeout: 300ms}
  - {name: ctl-big, class: standard, argv: [/bin/cat], result_max: 1000}
  - name: ctl-log
    class: bulk
    argv: [/bin/sh, -c, 'for i in 1 2 3; do echo line $i >&2; done']
"""


def ctl(*words, payload=None, status=0, user=None):
    """Runs tariffctl; its standard output as text."""
    before = ["setpriv", *user] if user else []
    done = subprocess.run([*before, "tariffctl", *words], input=payload, capture_output=True,
                          timeout=TIMEOUT_S, **({} if payload is not None else
                                                {"stdin": subprocess.DEVNULL}))
    assert done.returncode == status, (words, done)
    return done.stdout.decode(errors="surrogateescape")


def ctl_error(*words, status, **options):
    done = subprocess.run(["tariffctl", *words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT_S, **options)
    assert done.returncode == status, (words, done)
    return done.stderr


def ctl_json(*words, **options):
    return json.loads(ctl(*words, "--json", **options))


def setUpModule():
    unittest.enterModuleContext(lib.functions("test-ctl", FUNCTIONS))


class Machine(unittest.TestCase):
    def test_status_shows_the_classes_dearest_first(self):
        lines = ctl("status").splitlines()
        self.assertRegex(lines[0], r"^CLASS +PRICE +FIFO +RUNNING +WAITING +SWAPPED +DONE +FAILED")
        self.assertEqual([line.split()[0] for line in lines[1:6]],
                         ["critical", "interactive", "standard", "background", "bulk"])
        self.assertTrue(any(line.startswith("launcher ") for line in lines))

    def test_status_counts_what_was_done(self):
        def counts():
            return {row["name"]: (row["done"], row["failed"])
                    for row in ctl_json("status")["classes"]}["standard"]
        done, failed = counts()
        ctl("run", "ctl-status", payload=b"0\n")
        ctl("run", "ctl-status", payload=b"1\n", status=1)
        self.assertEqual(counts(), (done + 2, failed + 1))

    def test_json_may_be_asked_for_before_and_after_the_command(self):
        self.assertEqual(json.loads(ctl("--json", "status"))["cpu_enforcement"], "fifo")
        self.assertEqual(json.loads(ctl("status", "--json"))["cpu_enforcement"], "fifo")

    def test_poll_and_functions_and_version(self):
        self.assertEqual([row["price_class"] for row in ctl_json("poll")["classes"]],
                         ["bulk", "background", "standard", "interactive", "critical"])
        self.assertRegex(ctl("poll"), r"iB free\n$")
        functions = {row["name"]: row for row in ctl_json("functions")["functions"]}
        self.assertEqual(functions["ctl-late"]["timeout_ms"], 300)
        self.assertIn("ctl-late", ctl("functions"))
        versions = ctl_json("version")
        self.assertEqual(versions["tariffctl"], versions["tariffd"])
        self.assertIn("tariffctl " + versions["tariffctl"], ctl("--version"))

    def test_drain_refuses_and_undo_accepts_again(self):
        try:
            job = place("ctl-sleep", payload="2")
            self.assertEqual(ctl_json("drain")["jobs_left"], 1)
            self.assertIn("drain", ctl_error("run", "ctl-cat", status=125))
            self.assertIn("DRAINING", ctl("status"))
            self.assertEqual(ctl_json("drain", "--wait")["jobs_left"], 0)
            self.assertEqual(ctl("wait", job), "slept\n")
        finally:
            ctl("drain", "--undo")
        self.assertEqual(ctl("run", "ctl-cat", "--payload", "x"), "x")


class Run(unittest.TestCase):
    def test_the_result_is_printed_byte_for_byte(self):
        payload = bytes(range(256)) * 1000
        done = subprocess.run(["tariffctl", "run", "ctl-cat"], input=payload, capture_output=True,
                              timeout=TIMEOUT_S)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, payload, b""))
        self.assertEqual(ctl("run", "ctl-cat", "--payload", ""), "")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"from a file")
            file.flush()
            self.assertEqual(ctl("run", "ctl-cat", "--payload-file", file.name), "from a file")

    def test_the_exit_status_is_the_handlers(self):
        for status in (0, 1, 7, 255):
            ctl("run", "ctl-status", payload=b"%d\n" % status, status=status)
        self.assertIn("SIGKILL", ctl_error("run", "ctl-suicide", status=137))

    def test_what_was_not_the_handlers_doing_has_numbers_of_its_own(self):
        self.assertIn("no function", ctl_error("run", "no-such-function", status=127))
        self.assertIn("/nonexistent/handler", ctl_error("run", "ctl-missing", status=126))
        self.assertIn("timeout", ctl_error("run", "ctl-late", status=124))
        ctl_error("run", "ctl-sleep", "--payload", "100", "--deadline", "300ms", status=124)
        self.assertIn("too large",
                      ctl_error("run", "ctl-big", "--payload", "x" * 2000, status=123))
        ctl_error("run", "ctl-cat", "--id", "not valid", status=125)
        ctl_error("wait", "no-such-job", status=122)
        ctl_error("--socket", "/nonexistent", "run", "ctl-cat", status=121)

    def test_json_has_the_record_the_result_and_the_exit_status(self):
        reply = ctl_json("run", "ctl-cat", "--payload", "text")
        self.assertEqual((reply["result"], reply["exit"], reply["job"]["state"]),
                         ("text", 0, "ended"))
        reply = ctl_json("run", "ctl-cat", payload=b"\xff\xd8\xff")
        self.assertEqual(reply["result_base64"], "/9j/")
        self.assertEqual(ctl_json("run", "no-such-function", status=127)["refusal"],
                         "unknown_function")

    def test_a_repeated_id_never_runs_twice(self):
        words = ("run", "ctl-cat", "--id", "ctl-twice", "--payload", "once", "--keep")
        self.assertEqual(ctl(*words), "once")
        first = ctl_json("job", "ctl-twice")
        self.assertEqual(ctl(*words), "once")
        self.assertEqual(ctl_json("job", "ctl-twice")["pid"], first["pid"])
        error = ctl_error("run", "ctl-cat", "--id", "ctl-twice", "--payload", "other", status=125)
        self.assertIn("id in use", error)

    def test_a_result_is_acknowledged_unless_it_is_to_be_kept(self):
        job = place("ctl-cat", payload="kept")
        self.assertEqual(ctl("wait", job, "--keep"), "kept")
        self.assertEqual(ctl("wait", job), "kept")
        wait_until(lambda: job not in ctl("jobs", "--all"), what="the end of the record")
        ctl_error("job", job, status=5)
        ctl_error("wait", job, status=122)

    def test_an_agent_that_is_killed_meanwhile_costs_nothing_but_time(self):
        outcome = []
        runner = threading.Thread(target=lambda: outcome.append(
            ctl("run", "ctl-sleep", "--payload", "4", "--id", "ctl-survivor")))
        runner.start()
        wait_until(lambda: "ctl-survivor" in ctl("jobs"), what="the start of the job")
        subprocess.run(["systemctl", "kill", "--signal=KILL", "tariffd"], check=True,
                       timeout=TIMEOUT_S)
        runner.join(TIMEOUT_S)
        self.assertEqual(outcome, ["slept\n"])


class Jobs(unittest.TestCase):
    def test_a_record_is_a_timeline(self):
        job = place("ctl-cat", payload="x")
        ctl("wait", job, "--keep")
        record = ctl_json("job", job)
        steps = [record[step] for step in ("launched_ns", "first_ran_ns", "initialised_ns",
                                           "main_exited_ns", "ended_ns")]
        self.assertEqual(steps, sorted(steps))
        self.assertGreater(steps[0], 0)
        self.assertEqual(record["initialised_by"], "first_read")
        self.assertLess(abs(record["accepted_unix_ns"] / 1e9 - time.time()), 600)
        text = ctl("job", job)
        for word in ("accepted", "launched", "first ran", "initialised", "main exited", "ended",
                     "first read of its payload", "setup", "execution", "exited with status 0",
                     "micro-cents", "waited for a CPU"):
            self.assertIn(word, text)

    def test_jobs_are_listed_by_class_and_function(self):
        job = place("ctl-sleep", payload="100")
        self.assertIn(job, ctl("jobs"))
        self.assertIn(job, [row["id"] for row in ctl_json("jobs", "--class", "standard")["jobs"]])
        self.assertEqual(ctl_json("jobs", "--function", "ctl-log")["jobs"], [])
        self.assertIn("is being ended", ctl("cancel", job))
        self.assertIn("cancelled", ctl_error("wait", job, "--keep", status=120))
        self.assertNotIn(job, ctl("jobs"))
        self.assertIn(job, ctl("jobs", "--all"))
        self.assertEqual(len(ctl_json("jobs", "--all", "--limit", "1")["jobs"]), 1)
        self.assertTrue(ctl_json("cancel", job)["cancelled"][0]["already_ended"])

    def test_logs_are_what_the_job_wrote(self):
        job = place("ctl-log")
        self.assertEqual(ctl("logs", job, "-f"), "line 1\nline 2\nline 3\n")
        wait_until(lambda: ctl("logs", job) == "line 1\nline 2\nline 3\n", what="the journal")
        rows = [json.loads(line) for line in ctl("logs", job, "--json").splitlines()]
        self.assertEqual([row["MESSAGE"] for row in rows], ["line 1", "line 2", "line 3"])
        self.assertEqual({row["CLASS"] for row in rows}, {"bulk"})

    def test_watch_follows_one_job_to_its_end(self):
        job = place("ctl-sleep", payload="1")
        events = [json.loads(line) for line in ctl("watch", job, "--json").splitlines()]
        self.assertEqual(events[-1]["job"]["state"], "ended")
        self.assertTrue(events[0]["snapshot"])
        self.assertIn("exited with status 0", ctl("watch", job))

    def test_a_job_that_nobody_knows_is_not_found(self):
        for command in ("job", "logs", "cancel"):
            self.assertIn("no-such-job", ctl_error(command, "no-such-job", status=5))
        self.assertEqual(ctl_json("job", "no-such-job", status=5)["error"]["kind"], "not_found")
        ctl_error("logs", "../etc", status=2)


class Failures(unittest.TestCase):
    def test_a_wrong_command_line_is_status_2(self):
        for words in ((), ("frob",), ("run",), ("run", "ctl-cat", "--deadline", "soon"),
                      ("status", "--frob"), ("run", "x", "--payload", "a", "--payload-file", "b")):
            self.assertTrue(ctl_error(*words, status=2))

    def test_an_agent_that_is_not_there_is_status_3(self):
        error = ctl_error("--socket", "/run/tariff/none.sock", "status", status=3)
        self.assertIn("No such file", error)
        self.assertIn("systemctl status tariffd", error)
        ctl_error("status", status=3, env={**os.environ, "TARIFF_SOCKET": "127.0.0.1:1"})

    def test_a_user_outside_the_group_is_told_so(self):
        nobody = pwd.getpwnam("nobody")
        user = ["--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups"]
        done = subprocess.run(["setpriv", *user, "tariffctl", "status"], capture_output=True,
                              text=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 6)
        self.assertIn("you are not in group tariff", done.stderr)

    def test_the_group_may_place_and_read_but_not_drain(self):
        nobody = pwd.getpwnam("nobody")
        user = ["--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--groups", "tariff"]
        self.assertEqual(ctl("run", "ctl-cat", "--payload", "x", user=user), "x")
        ctl("status", user=user)
        ctl("drain", user=user, status=6)


class CheckConfig(unittest.TestCase):
    def check(self, text, *words, status):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "tariffd.yaml"
            file.write_text(text)
            done = subprocess.run(["tariffctl", "check-config", str(file), *words],
                                  capture_output=True, text=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, status, done)
        return done

    def test_the_installed_configuration_is_fine(self):
        self.assertRegex(ctl("check-config"), r"5 classes, \d+ functions, no errors")
        self.assertIn("nothing changes", ctl("check-config", "--diff"))

    def test_every_error_has_its_place(self):
        done = self.check("classes:\n  - {name: x, price: 0}\nfoo: 1\n", status=1)
        self.assertTrue(re.search(r"tariffd.yaml:2:\d+: error: ", done.stderr), done.stderr)
        self.assertIn("tariffd.yaml:3:1: error: ", done.stderr)
        reply = json.loads(self.check("foo: 1\n", "--json", status=1).stdout)
        self.assertEqual((reply["ok"], reply["diagnostics"][0]["line"]), (False, 1))

    def test_the_difference_to_what_runs_is_told(self):
        done = self.check("limits:\n  max_jobs: 77\n", "--diff", status=0)
        self.assertRegex(done.stdout, r"limits\.max_jobs .*77 +now")
        reply = json.loads(self.check("limits:\n  max_jobs: 77\n", "--diff", "--json",
                                      status=0).stdout)
        self.assertIn("limits.max_jobs", [change["key"] for change in reply["diff"]["changes"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
