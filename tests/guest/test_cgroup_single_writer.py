# SPDX-License-Identifier: Apache-2.0
"""The single-writer rule: systemd owns what it made, we write only below tariff-jobs.service. Agent
and launcher are started under strace, jobs run and a class comes and goes; every call that changes
something in cgroupfs must be below the job tree."""
import os
import pathlib
import re
import subprocess
import time
import unittest

TIMEOUT_S = 300
CGROUP = "/sys/fs/cgroup"
TREE = f"{CGROUP}/tariff.slice/tariff-jobs.service"
# The unit's own files (memory.max, ...) are systemd's too; ours are the directories below it.
OURS = re.compile(re.escape(TREE) + "/(class-[0-9]+-[a-z0-9-]+|selftest[^/]*)(/|$)")
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
FUNCTIONS = pathlib.Path("/etc/tariff/functions.d/test-writer.yaml")

SIX_CLASSES = """classes:
  - {name: bulk, price: 0.3}
  - {name: background, price: 0.7}
  - {name: standard, price: 1.0}
  - {name: interactive, price: 1.5}
  - {name: critical, price: 2.0}
  - {name: royal, price: 9, pids_max: 4096}
"""

# Calls that change a file or a directory, by path or by descriptor (shown as 5</path> by -y).
BY_DESCRIPTOR = ("write", "pwrite64", "writev", "ftruncate", "fchmod", "fchown", "fsetxattr",
                 "fremovexattr")
BY_PATH = ("mkdir", "rmdir", "unlink", "rename", "chmod", "chown", "lchown", "truncate", "setxattr",
           "lsetxattr", "removexattr", "mount", "umount2", "creat", "symlink", "link")
AT_DIRECTORY = ("mkdirat", "unlinkat", "renameat", "renameat2", "fchmodat", "fchownat", "mknodat",
                "symlinkat", "linkat")
OPENS = ("open", "openat", "openat2")
CALLS = BY_DESCRIPTOR + BY_PATH + AT_DIRECTORY + OPENS

LINE = re.compile(r"^(?:\[pid\s+\d+\] |\d+ +)?(\w+)\((.*)")
DESCRIPTOR = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def changed_paths(line):
    """The paths that a line of strace changes or opens for changing."""
    match = LINE.match(line)
    if not match:
        return []
    call, arguments = match.groups()
    descriptor = DESCRIPTOR.match(arguments)
    strings = STRING.findall(arguments)
    if call in BY_DESCRIPTOR:
        return [descriptor.group(1)] if descriptor else []
    if call in OPENS and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments):
        return []
    if call in BY_PATH or call == "open":
        return strings[:2]
    base = descriptor.group(1) if descriptor else "/"
    return [os.path.normpath(os.path.join(base, text)) for text in strings[:1]]


def in_cgroupfs(line):
    return [path for path in changed_paths(line)
            if path == CGROUP or path.startswith(CGROUP + "/")]


class Traced:
    """A unit whose program runs under strace (-D: the program stays the main process)."""

    def __init__(self, unit):
        self.unit = unit
        self.log = pathlib.Path(f"/run/tariff/strace.{unit}")
        self.drop_in = pathlib.Path(f"/run/systemd/system/{unit}.service.d/strace.conf")
        shown = subprocess.run(["systemctl", "show", "-P", "ExecStart", unit], check=True,
                               capture_output=True, text=True).stdout
        self.command = re.search(r"argv\[\]=([^;]*?) ;", shown).group(1)

    def __enter__(self):
        self.drop_in.parent.mkdir(parents=True, exist_ok=True)
        self.drop_in.write_text(
            "[Service]\nExecStart=\n"
            f"ExecStart=/usr/bin/strace -D -f --seccomp-bpf -y -qq -s 256 -o {self.log} "
            f"-e trace={','.join('?' + call for call in CALLS)} -e signal=none {self.command}\n"
            "WatchdogSec=0\nTimeoutStartSec=240\nCapabilityBoundingSet=~\n"
            "NoNewPrivileges=no\nSystemCallFilter=\nRestrictSUIDSGID=no\n")
        self.restart()
        return self

    def __exit__(self, *failure):
        self.drop_in.unlink()
        self.restart()
        self.log.unlink()

    def restart(self):
        subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=TIMEOUT_S)
        subprocess.run(["systemctl", "restart", self.unit], check=True, timeout=TIMEOUT_S)

    def writes(self):
        out = []
        for line in self.log.read_text(errors="replace").splitlines():
            out += [(path, line) for path in in_cgroupfs(line)]
        return out


def wait_for_agent():
    deadline = time.monotonic() + TIMEOUT_S
    while subprocess.run(["tariffctl", "status"], capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "no agent"
        time.sleep(0.5)


def hang_up_until(condition):
    """Reloads without systemd's patience, which a traced agent may exceed."""
    subprocess.run(["systemctl", "kill", "-s", "HUP", "--kill-who=main", "tariffd"], check=True)
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "the reload did not take effect"
        time.sleep(0.5)


def run_jobs():
    for _ in range(3):
        done = subprocess.run(["tariffctl", "run", "writer-echo", "--payload", ""],
                              capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.stdout == "written\n", done


class SingleWriter(unittest.TestCase):
    def setUp(self):
        self.shipped = CONFIG.read_text()
        FUNCTIONS.write_text("functions:\n- {name: writer-echo, class: standard, "
                             "argv: [/bin/echo, written]}\n")
        subprocess.run(["systemctl", "reload", "tariffd"], check=True, timeout=TIMEOUT_S)

    def tearDown(self):
        CONFIG.write_text(self.shipped)
        FUNCTIONS.unlink()
        subprocess.run(["systemctl", "reload", "tariffd"], check=True, timeout=TIMEOUT_S)

    def check(self, traced, wanted):
        writes = traced.writes()
        outside = [line for path, line in writes if not OURS.match(path)]
        self.assertEqual(outside, [], "writes outside the job tree")
        for name in wanted:
            self.assertTrue(any(name in path for path, _ in writes),
                            f"{name} was not seen: the trace misses something")

    def test_the_agent_writes_only_below_the_job_tree(self):
        with Traced("tariffd") as traced:
            wait_for_agent()
            run_jobs()
            CONFIG.write_text(SIX_CLASSES)
            hang_up_until(lambda: os.path.exists(f"{TREE}/class-6-royal/pids.max"))
            run_jobs()
            CONFIG.write_text(self.shipped)
            hang_up_until(lambda: not os.path.exists(f"{TREE}/class-6-royal"))
            self.check(traced, ("class-6-royal", "class-6-royal/cgroup.subtree_control",
                                "class-1-bulk/memory.swap.max", "class-6-royal/pids.max"))

    def test_the_launcher_writes_only_below_the_job_tree(self):
        with Traced("tariff-launcher") as traced:
            wait_for_agent()
            run_jobs()
            self.check(traced, ("class-3-standard/",))

    def test_the_reading_of_a_trace_sees_writes_by_path_and_by_descriptor(self):
        for line, path in (
                (f'12 mkdirat(5<{TREE}>, "class-1-x", 0755) = 0', f"{TREE}/class-1-x"),
                (f'12 openat(AT_FDCWD</>, "{CGROUP}/a/pids.max", O_WRONLY) = 3',
                 f"{CGROUP}/a/pids.max"),
                (f'12 openat(7<{TREE}>, "../cgroup.procs", O_RDWR|O_CLOEXEC) = 3',
                 f"{CGROUP}/tariff.slice/cgroup.procs"),
                (f'12 write(3<{CGROUP}/cgroup.subtree_control>, "+cpu", 4) = 4',
                 f"{CGROUP}/cgroup.subtree_control"),
                (f'[pid 12] rmdir("{CGROUP}/x") = 0', f"{CGROUP}/x")):
            self.assertEqual(in_cgroupfs(line), [path])
        self.assertEqual(in_cgroupfs(f'1 openat(5<{TREE}>, "cpu.stat", O_RDONLY) = 3'), [])
        self.assertEqual(in_cgroupfs('1 write(3</run/tariff/x>, "/sys/fs/cgroup/", 1) = 1'), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
