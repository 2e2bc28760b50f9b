# SPDX-License-Identifier: Apache-2.0
"""The live view in a terminal (tmux), the event stream, and the shell's completion."""
import json
import os
import subprocess
import threading
import unittest

from lib import ctl, functions, place, run, systemctl, wait_until

CPUS = (2,)  # with one, a job of any class starves a terminal: nothing is promised there
FUNCTIONS = """
  - {name: top-spin, class: bulk, argv: [/bin/sh, -c, 'while :; do :; done']}
  - {name: top-ok, class: critical, argv: [/bin/true]}
  - {name: top-other, class: standard, argv: [/bin/true]}
"""


class Terminal:
    """A terminal of 100 x 30 that runs a shell command."""

    def __init__(self, command):
        run("tmux", "-L", "top", "new-session", "-d", "-x", "100", "-y", "30", "-s", "top",
            f"sh -c 'stty -a >/tmp/top.before; {command}; echo status $? ; stty -a >/tmp/top.after;"
            " exec sleep 1000'")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("tmux", "-L", "top", "kill-server", status=None)

    def text(self):
        return run("tmux", "-L", "top", "capture-pane", "-p", "-t", "top")

    def cursor_shown(self):
        return run("tmux", "-L", "top", "display-message", "-p", "-t", "top",
                   "#{cursor_flag}").strip() == "1"

    def keys(self, *keys):
        run("tmux", "-L", "top", "send-keys", "-t", "top", *keys)

    def resize(self, columns, rows):
        run("tmux", "-L", "top", "resize-window", "-t", "top", "-x", columns, "-y", rows)

    def wait_for(self, *words):
        return wait_until(lambda: (text := self.text()) and all(word in text for word in words)
                          and text, what=f"{words} on the screen", timeout=60)

    def assert_restored(self, test):
        wait_until(lambda: os.path.exists("/tmp/top.after")
                   and os.path.getsize("/tmp/top.after"), what="the end")
        with open("/tmp/top.before") as before, open("/tmp/top.after") as after:
            test.assertEqual(before.read(), after.read())
        test.assertTrue(self.cursor_shown())
        test.assertNotIn("CLASS", self.text())


class Top(unittest.TestCase):
    def setUp(self):
        for name in ("before", "after"):
            if os.path.exists(f"/tmp/top.{name}"):
                os.unlink(f"/tmp/top.{name}")

    def test_it_lives_follows_the_size_and_quits(self):
        with functions("top", FUNCTIONS):
            job = place("top-spin")
            try:
                with Terminal("tariffctl top --delay 500ms") as terminal:
                    # Shares of a CPU are known from the second frame on.
                    terminal.wait_for("CLASS", "critical", "top-spin", job, "%")
                    terminal.resize(40, 10)
                    text = wait_until(lambda: (text := terminal.text()).count("\n") <= 10
                                      and "CLASS" in text and text, what="a smaller frame")
                    self.assertNotIn(job, text)
                    terminal.resize(100, 30)
                    terminal.wait_for(job)
                    terminal.keys("q")
                    terminal.wait_for("status 0")
                    terminal.assert_restored(self)
            finally:
                run("tariffctl", "cancel", job)

    def test_a_lost_agent_is_said_and_waited_for(self):
        with Terminal("tariffctl top --delay 500ms") as terminal:
            terminal.wait_for("CLASS")
            systemctl("stop", "tariffd.socket", "tariffd.service")
            try:
                terminal.wait_for("THE AGENT IS AWAY", "critical")
            finally:
                systemctl("start", "tariffd.socket", "tariffd.service")
            wait_until(lambda: "AWAY" not in (text := terminal.text()) and "CLASS" in text,
                       what="the agent's return")

    def test_a_signal_gives_the_terminal_back(self):
        with Terminal("tariffctl top --delay 500ms") as terminal:
            terminal.wait_for("CLASS")
            run("pkill", "-TERM", "-x", "tariffctl")
            terminal.wait_for("status 0")
            terminal.assert_restored(self)

    def test_without_a_terminal_it_is_one_frame(self):
        frame = run("tariffctl", "top", "--delay", "200ms")
        self.assertIn("CLASS", frame)
        self.assertNotIn("\x1b", frame)
        rows = ctl("top", "--delay", "200ms")["classes"]
        self.assertEqual(len(rows), 5)
        self.assertEqual(rows[0]["done_per_second"], 0)


class Events(unittest.TestCase):
    def follow(self, *words):
        watching = subprocess.Popen(["tariffctl", "events", "-f", "--json", *words],
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(watching.wait)
        self.addCleanup(watching.kill)
        events = []

        def read():
            for line in watching.stdout:
                events.append(json.loads(line)["job"])

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return events

    def ended(self, events, function):
        return [job for job in events if job["function"] == function and job["state"] == "ended"]

    def test_they_are_filtered_and_go_on_after_the_agent_was_away(self):
        with functions("top", FUNCTIONS):
            everything = self.follow()
            of_class = self.follow("--class", "standard")
            wait_until(lambda: ctl("status")["connections"] >= 2, what="both connected")

            def both_seen():
                run("tariffctl", "run", "top-ok", "--payload", "")
                run("tariffctl", "run", "top-other", "--payload", "")
                return self.ended(everything, "top-other") and self.ended(of_class, "top-other")

            wait_until(both_seen, what="events")
            self.assertTrue(self.ended(everything, "top-ok"))
            self.assertFalse(self.ended(of_class, "top-ok"))
            systemctl("restart", "tariffd")
            seen = len(self.ended(everything, "top-ok"))
            wait_until(lambda: (run("tariffctl", "run", "top-ok", "--payload", ""),
                                len(self.ended(everything, "top-ok")) > seen)[1],
                       what="events after a restart")
            ids = [job["id"] for job in self.ended(everything, "top-ok")]
            self.assertEqual(len(ids), len(set(ids)), "an end was told twice")

    def test_without_f_they_are_what_is_known(self):
        with functions("top", FUNCTIONS):
            run("tariffctl", "run", "top-ok", "--payload", "", "--keep")
            self.assertIn("top-ok", run("tariffctl", "events", "--function", "top-ok"))
            self.assertEqual(run("tariffctl", "events", "--function", "nothing"), "")


class Completion(unittest.TestCase):
    SCRIPT = """
        source /usr/share/bash-completion/bash_completion
        _completion_loader tariffctl 2>/dev/null || source /usr/share/bash-completion/completions/tariffctl
        COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _tariffctl
        printf '%s\\n' "${COMPREPLY[@]}"
    """

    def complete(self, *words):
        return run("bash", "-c", self.SCRIPT, "-", *words).split()

    def test_commands_options_and_what_the_agent_knows(self):
        commands = run("tariffctl", "complete-words", "commands").split()
        self.assertEqual(sorted(self.complete("tariffctl", "")), sorted(commands))
        self.assertIn("doctor", commands)
        self.assertEqual(self.complete("tariffctl", "doc"), ["doctor"])
        self.assertEqual(self.complete("tariffctl", "top", "--d"), ["--delay"])
        with functions("top", FUNCTIONS):
            self.assertEqual(self.complete("tariffctl", "run", "top-sp"), ["top-spin"])
            self.assertEqual(self.complete("tariffctl", "jobs", "--class", "crit"), ["critical"])
            job = place("top-spin", "--id", "top-completed")
            self.assertEqual(self.complete("tariffctl", "cancel", "top-c"), [job])
            run("tariffctl", "cancel", job)

    def test_without_an_agent_it_is_silent_and_quick(self):
        systemctl("stop", "tariffd.socket", "tariffd.service")
        try:
            self.assertEqual(self.complete("tariffctl", "run", ""), [])
            self.assertEqual(self.complete("tariffctl", "stat"), ["status"])
        finally:
            systemctl("start", "tariffd.socket", "tariffd.service")
