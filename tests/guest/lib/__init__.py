# SPDX-License-Identifier: Apache-2.0
"""What guest tests share: commands, waiting, units and drop-ins, the journal, tariffctl, functions.

Everything that changes the guest is a context manager that puts it back.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import time

TIMEOUT_S = 120  # of one command: an emulated python or systemctl takes a second by itself
CGROUP = pathlib.Path("/sys/fs/cgroup")
TREE = CGROUP / "tariff.slice" / "tariff-jobs.service"
FUNCTIONS = pathlib.Path("/etc/tariff/functions.d")
UNITS = ("tariff-jobs.service", "tariff-launcher.socket", "tariff-launcher.service",
         "tariffd.socket", "tariffd.service", "tariff-shutdown.service")


def run(*argv, status=0, timeout=TIMEOUT_S, **options):
    """Runs a program; its standard output. status=None takes any exit status."""
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **options)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, argv))}: status {done.returncode}, not {status}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(predicate, timeout=30, what="it"):
    """Polls until predicate() is true and returns what it returned; else fails."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(0.1)


def systemctl(*words, status=0):
    return run("systemctl", "--no-pager", *words, status=status)


def is_active(unit):
    return systemctl("is-active", unit, status=None).strip() == "active"


def main_pid(unit):
    return int(systemctl("show", "--property=MainPID", "--value", unit))


@contextlib.contextmanager
def drop_in(unit, text, restart=True):
    """The unit with additional lines, such as "[Service]\\nEnvironment=TARIFF_CRASH_POINT=..."."""
    folder = pathlib.Path("/run/systemd/system") / f"{unit}.d"
    path = folder / "test.conf"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    systemctl("daemon-reload")
    try:
        if restart:
            systemctl("restart", unit)
        yield
    finally:
        path.unlink()
        folder.rmdir()
        systemctl("daemon-reload")
        if restart:
            systemctl("restart", unit)


def crash_point(unit, name, restart=True):
    """The unit's process kills itself with SIGKILL where it reaches that point."""
    return drop_in(unit, f"[Service]\nEnvironment=TARIFF_CRASH_POINT={name}", restart)


def journal(*matches):
    """Entries of this boot, such as journal("JOB_ID=7"), as dicts."""
    text = run("journalctl", "-b", "-o", "json", "--all", "--no-pager", *matches)
    return [json.loads(line) for line in text.splitlines()]


def ctl(*words, status=0, timeout=TIMEOUT_S):
    """tariffctl with --json: its parsed output, None if it printed nothing."""
    text = run("tariffctl", *words, "--json", status=status, timeout=timeout)
    return json.loads(text) if text.strip() else None


def place(function, *words, payload=""):
    """Places a job without waiting for it; its id."""
    done = subprocess.run(["tariffctl", "run", function, "--detach", "--payload-file", "-", *words],
                          input=payload, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise AssertionError(f"tariffctl run {function}: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def functions(name, text):
    """Additional functions (the YAML below `functions:`), known to the agent while inside."""
    path = FUNCTIONS / f"{name}.yaml"
    path.write_text("functions:\n" + text)
    systemctl("reload", "tariffd")
    try:
        yield
    finally:
        path.unlink()
        systemctl("reload", "tariffd")


def job_pids():
    """The processes of all jobs, without those that wait for one in leaves given to none."""
    pids = []
    for leaf in TREE.glob("class-*/*/"):
        with contextlib.suppress(OSError):
            if "trusted.tariff.job" in os.listxattr(leaf):
                pids += [int(word) for word in (leaf / "cgroup.procs").read_text().split()]
    return sorted(pids)
