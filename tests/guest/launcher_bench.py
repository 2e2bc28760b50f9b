# SPDX-License-Identifier: Apache-2.0
"""A launcher of its own in a tree of its own, beside whatever the packages have started: so that a
test can kill it at a crash point, or read its log, without touching the units."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from launcher_client import ENUM, Client

CGROUP = pathlib.Path("/sys/fs/cgroup")
CLASSES = (("bulk", 1, 10), ("standard", 3, 20), ("critical", 5, 30))


def program(name):
    """The installed program, or the one named by TARIFF_LIBEXEC (a build tree)."""
    return os.path.join(os.environ.get("TARIFF_LIBEXEC", "/usr/lib/tariff"), name)


class Bench:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tariff-bench-"))
        self.tree = CGROUP / f"tariff-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.socket = str(self.directory / "launcher.sock")
        self.log = self.directory / "log"
        self.launcher = program("tariff-launcher")
        self.process = None
        self.make_tree()
        # As in the tree of tariff-jobs.service: trampolines wait for jobs only while it lives.
        self.holder = subprocess.Popen(
            ["/bin/sleep", "infinity"],
            preexec_fn=lambda: (self.tree / "holder" / "cgroup.procs").write_text("0"))

    def make_tree(self):
        controllers = "+cpu +memory +pids"
        (CGROUP / "cgroup.subtree_control").write_text(controllers)
        self.tree.mkdir()
        (self.tree / "cgroup.subtree_control").write_text(controllers)
        (self.tree / "holder").mkdir()
        for name, rank, _ in CLASSES:
            directory = self.tree / f"class-{rank}-{name}"
            directory.mkdir()
            (directory / "cgroup.subtree_control").write_text(controllers)

    def start(self, crash_point="", fifo=True, configure=True, options=(), **settings):
        environment = dict(os.environ)
        if crash_point:
            environment["TARIFF_CRASH_POINT"] = crash_point
        command = [self.launcher, f"--socket={self.socket}", f"--tree={self.tree}",
                   *options]
        if fifo:
            command = ["chrt", "-f", "58"] + command
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        cgroup = os.environ.get("TARIFF_BENCH_CGROUP")  # where the launcher itself is to be
        enter = (lambda: pathlib.Path(cgroup, "cgroup.procs").write_text("0")) if cgroup else None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log,
                                            preexec_fn=enter)
        until = time.monotonic() + 60
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the launcher did not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        client = self.connect(until)
        if configure:
            self.configure(client, **settings)
        return client

    def connect(self, until):
        while True:
            try:
                return Client(self.socket)
            except ConnectionRefusedError:  # bound, but not yet listening
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def start_client(self, configure=False):
        client = Client(self.socket)
        if configure:
            self.configure(client)
        return client

    def configure(self, client, **settings):
        content = dict(uid_first=2_000_000, uid_count=1000, result_retention_bytes=64 << 20,
                       result_retention_ns=int(600e9), stderr_bytes_per_second=65536,
                       leaf_pool=4, kill_grace_ns=int(1e9), tree=str(self.tree))
        content["classes"] = [
            dict(name=name, rank=rank, directory=f"class-{rank}-{name}",
                 policy=ENUM["SCHED_POLICY_FIFO"], priority=priority, oom_score_adj=500 - rank)
            for name, rank, priority in CLASSES]
        content.update(settings)
        client.ask("configure", **content)

    def wait_dead(self, timeout=20):
        return self.process.wait(timeout)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def leaves(self):
        return sorted(str(path.relative_to(self.tree)) for path in self.tree.glob("class-*/j-*"))

    def trampolines(self):
        """Processes that wait for a job: leaves that were given to none."""
        waiting = []
        for leaf in self.tree.glob("class-*/j-*"):
            try:
                if "trusted.tariff.job" not in os.listxattr(leaf):
                    waiting += [int(pid) for pid in (leaf / "cgroup.procs").read_text().split()]
            except OSError:
                pass  # removed meanwhile
        return waiting

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        subprocess.run([program("tariff-launcher"), "--kill-all", f"--tree={self.tree}"],
                       check=True)
        self.holder.kill()
        self.holder.wait()
        for directory in self.tree.glob("*/"):
            directory.rmdir()
        self.tree.rmdir()
        shutil.rmtree(self.directory)
