# SPDX-License-Identifier: Apache-2.0
"""The restart drills: agent gone, launcher gone at each named instant, hostile peers. In every
case: no job runs twice, and the fate of each is reported."""
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time
import unittest

from launcher_bench import Bench, program
from launcher_client import ENUM, Client, Refused, encode, reason


class BenchCase(unittest.TestCase):
    def setUp(self):
        self.bench = Bench()
        self.job = re.sub("^test_", "", self._testMethodName)[:50]

    def tearDown(self):
        log = self.bench.log.read_text() if self.bench.log.exists() else ""
        self.bench.stop()
        print(log, end="")


class CrashPoints(BenchCase):
    """The launcher dies at a named instant; the agent connects to the next one and repeats."""

    def drill(self, point, ran_before):
        client = self.bench.start(crash_point=point)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # counts what really runs
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        script = (f"import socket,time\n"
                  f"socket.create_connection(('127.0.0.1',{listener.getsockname()[1]}))\n"
                  f"print('ran',flush=True)\n")
        argv = ["/usr/bin/python3", "-S", "-c", script]
        client.launch(self.job, argv, wait=False)
        self.assertEqual(self.bench.wait_dead(60), -signal.SIGKILL)
        client.close()
        next_client = self.bench.start()
        known = next_client.list()
        again = next_client.launch(self.job, argv)
        self.assertEqual(again["repeated_id"], self.job in known)
        record = again["record"]
        if record["state"] != ENUM["STATE_ENDED"]:
            record = next_client.wait_ended(self.job, 60)
        runs = 0
        while select.select([listener], [], [], 0.5)[0]:
            listener.accept()[0].close()
            runs += 1
        listener.close()
        self.assertLessEqual(runs, 1)
        if ran_before:
            self.assertIn(self.job, known)
            self.assertEqual(reason(record), "LAUNCHER_LOST")
            self.assertIn("launcher died", record["message"])
            self.assertEqual(next_client.result(self.job), b"")
        else:
            self.assertEqual((reason(record), runs), ("EXITED", 1))
            self.assertEqual(next_client.result(self.job), b"ran\n")
        self.wait_for_leaves(12)
        # The machine goes on as if nothing had happened.
        self.assertEqual(reason(next_client.run("next", ["/bin/true"])), "EXITED")
        next_client.close()

    def wait_for_leaves(self, count):
        until = time.monotonic() + 10
        while len(self.bench.leaves()) > count and time.monotonic() < until:
            time.sleep(0.1)
        self.assertLessEqual(len(self.bench.leaves()), count)

    def test_after_record(self):
        self.drill("launcher.after_record", ran_before=False)

    def test_before_clone(self):
        self.drill("launcher.before_clone", ran_before=False)

    def test_after_clone(self):
        self.drill("launcher.after_clone", ran_before=True)

    def test_before_launch_reply(self):
        self.drill("launcher.before_launch_reply", ran_before=True)

    def test_after_reap(self):
        self.drill("launcher.after_reap", ran_before=True)

    def test_before_ended_event(self):
        self.drill("launcher.before_ended_event", ran_before=True)

    def test_after_ended_event(self):
        """The agent has the whole record already: for it the job has ended well."""
        client = self.bench.start(crash_point="launcher.after_ended_event")
        client.launch(self.job, ["/bin/sh", "-c", "exit 3"], wait=False)
        record = client.wait_ended(self.job)
        self.assertEqual((reason(record), record["exit_status"]), ("EXITED", 3))
        self.assertEqual(self.bench.wait_dead(), -signal.SIGKILL)
        client.close()
        next_client = self.bench.start()
        lost = next_client.list()[self.job]
        if lost["state"] != ENUM["STATE_ENDED"]:
            lost = next_client.wait_ended(self.job)
        self.assertEqual(reason(lost), "LAUNCHER_LOST")
        self.assertTrue(next_client.launch(self.job, ["/bin/true"])["repeated_id"])
        next_client.close()


class LauncherGone(BenchCase):
    def test_running_jobs_of_a_killed_launcher_end_as_lost(self):
        client = self.bench.start()
        for number in range(3):
            client.launch(f"{self.job}-{number}", ["/bin/sh", "-c", "sleep 600 & sleep 600"])
        used = client.run(f"{self.job}-done", ["/bin/true"])
        while used["leaf"] in self.bench.leaves():  # its removal waits for who waits for its result
            time.sleep(0.01)
        pids = [client.list()[f"{self.job}-{number}"]["pid"] for number in range(3)]
        self.bench.kill()
        for pid in pids:
            os.kill(pid, 0)  # they run on without it
        client.close()
        client = self.bench.start()
        fresh = client.launch(f"{self.job}-fresh", ["/bin/sleep", "60"])["record"]
        for record in client.list().values():
            if record["id"] != fresh["id"] and record["state"] != ENUM["STATE_ENDED"]:
                self.assertNotEqual(record["uid"], fresh["uid"])
        for number in range(3):
            record = client.list()[f"{self.job}-{number}"]
            if record["state"] != ENUM["STATE_ENDED"]:
                record = client.wait_ended(f"{self.job}-{number}")
            self.assertEqual(reason(record), "LAUNCHER_LOST")
            self.assertGreater(record["cpu_us"], 0)
            self.assertEqual(record["function"], "test")
        for pid in pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}"))
        # One that had ended and whose leaf was removed is not known any more: the agent has it.
        self.assertEqual(reason(used), "EXITED")
        self.assertNotIn(f"{self.job}-done", client.list())
        client.close()

    def test_sigterm_leaves_the_jobs_running(self):
        client = self.bench.start()
        pid = client.launch(self.job, ["/bin/sleep", "600"])["record"]["pid"]
        self.bench.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.bench.wait_dead(), 0)
        os.kill(pid, 0)
        self.assertEqual(len(self.bench.leaves()), 1)  # the ready ones are removed
        client.close()

    def test_kill_all_ends_starved_jobs_too(self):
        client = self.bench.start()
        cpus = os.cpu_count()
        for number in range(2):
            client.launch(f"{self.job}-low-{number}", ["/bin/sh", "-c", "while :; do :; done"],
                          class_run="bulk")
        for number in range(2 * cpus):
            client.launch(f"{self.job}-{number}", ["/bin/sh", "-c", "while :; do :; done"],
                          class_run="critical")
        time.sleep(1)
        started = time.monotonic()
        subprocess.run(["chrt", "-f", "58", program("tariff-launcher"), "--kill-all",
                        f"--tree={self.bench.tree}"], check=True)
        self.assertLess(time.monotonic() - started, 30)
        client.close()


class AgentGone(BenchCase):
    def test_jobs_run_on_and_nothing_is_lost(self):
        client = self.bench.start()
        client.launch(self.job, ["/bin/sh", "-c", "cat; sleep 1; echo end; exit 3"],
                      payload=b"payload ")
        client.close()
        time.sleep(3)
        client = self.bench.start_client()
        self.assertEqual(client.hello["hello"]["jobs"], 1)
        record = client.list()[self.job]
        self.assertEqual((reason(record), record["exit_status"]), ("EXITED", 3))
        self.assertEqual(client.result(self.job), b"payload end\n")
        client.close()

    def test_a_new_agent_replaces_the_old_one(self):
        old = self.bench.start()
        new = self.bench.start_client()
        with self.assertRaises(ConnectionError):
            while True:
                old.receive()
        self.assertEqual(reason(new.run(self.job, ["/bin/true"])), "EXITED")
        old.close()
        new.close()

    def test_an_agent_that_does_not_read_costs_only_itself(self):
        """Its replies fill the socket and then the queue; nothing waits for it."""
        deaf = self.bench.start()
        for number in range(40):
            deaf.launch(f"{self.job}-{number}", ["/bin/sleep", "600"], wait=False)
        until = time.monotonic() + 60
        while len(list(self.bench.tree.glob("class-3-standard/j-*"))) < 40:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.2)
        deaf.socket.settimeout(20)
        asked = 0
        try:
            for asked in range(4000):  # each is answered with 41 messages
                deaf.send("list")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertGreater(asked, 100)
        client = self.bench.start_client()
        self.assertEqual(len(client.list()), 40)
        status = pathlib.Path(f"/proc/{self.bench.process.pid}/status").read_text()
        self.assertLess(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), 100_000)
        client.close()
        deaf.close()

    def test_a_launch_without_configuration(self):
        client = self.bench.start(configure=False)
        with self.assertRaises(Refused) as caught:
            client.launch(self.job, ["/bin/true"])
        self.assertEqual(caught.exception.code, "CODE_NOT_CONFIGURED")
        client.close()


class BadPeers(BenchCase):
    def test_garbage_closes_that_connection_only(self):
        good = self.bench.start()
        for data in (b"\xff" * 100, b"\x08", os.urandom(1000), b"x" * 300_000):
            bad = Client(self.bench.socket, hello=False)
            try:
                bad.send_raw(data)
                with self.assertRaises((ConnectionError, OSError)):
                    bad.receive(5)
            except OSError:
                pass  # larger than a packet can be
            bad.close()
        self.assertEqual(reason(good.run(self.job, ["/bin/true"])), "EXITED")
        good.close()

    def test_nothing_is_obeyed_before_hello(self):
        good = self.bench.start()
        bad = Client(self.bench.socket, hello=False)
        bad.send("list")
        with self.assertRaises((ConnectionError, OSError)):
            bad.receive(5)
        self.assertEqual(reason(good.run(self.job, ["/bin/true"])), "EXITED")
        bad.close()
        good.close()

    def test_silent_connections_do_not_push_the_agent_out(self):
        good = self.bench.start()
        silent = [Client(self.bench.socket, hello=False) for _ in range(30)]
        self.assertEqual(reason(good.run(self.job, ["/bin/true"])), "EXITED")
        for one in silent + [good]:
            one.close()

    def test_versions_without_overlap(self):
        good = self.bench.start()
        other = Client(self.bench.socket, hello=False)
        with self.assertRaises(Refused) as caught:
            other.ask("hello", protocol_oldest=7, protocol_newest=9, version="x")
        self.assertEqual(caught.exception.code, "CODE_VERSION")
        newer = Client(self.bench.socket, hello=False)
        reply = newer.ask("hello", protocol_oldest=1, protocol_newest=9, version="x")
        self.assertEqual(reply["hello"]["protocol"], 1)
        for one in (good, other, newer):
            one.close()

    def test_an_unknown_request_is_refused(self):
        good = self.bench.start()
        good.send_raw(encode("Request", {"sequence": 99}) + b"\xfa\x01\x02\x08\x01")
        with self.assertRaises(Refused) as caught:
            good.reply(99)
        self.assertEqual(caught.exception.code, "CODE_INVALID")
        good.close()

    def test_only_root_is_served(self):
        good = self.bench.start()
        os.chmod(self.bench.directory, 0o755)
        os.chmod(self.bench.socket, 0o666)
        script = ("import socket; s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET);"
                  f"s.connect({self.bench.socket!r}); s.settimeout(10); print(s.recv(10))")
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               "python3", "-c", script], capture_output=True, text=True)
        self.assertIn("b''", done.stdout + done.stderr)
        self.assertEqual(reason(good.run(self.job, ["/bin/true"])), "EXITED")
        good.close()


class EnteringTheLeaf(BenchCase):
    """6.12.107: a launcher whose own cgroup was once cgroup.kill'ed cannot clone into a leaf (the
    child dies at birth). Later kernels of 6.12 can; the launcher tries and decides."""

    def check_jobs(self, client):
        record = client.run(self.job, ["/bin/cat", "/proc/self/cgroup"])
        self.assertEqual(reason(record), "EXITED")
        self.assertIn(record["leaf"], client.result(self.job).decode())
        record = client.run(self.job + "2", ["/nonexistent"])
        self.assertEqual(reason(record), "EXEC_FAILED")
        client.close()

    def test_a_launcher_in_a_cgroup_that_was_killed_once(self):
        own = self.bench.tree.parent / (self.bench.tree.name + "-own")
        own.mkdir()
        (own / "cgroup.kill").write_text("1")
        os.environ["TARIFF_BENCH_CGROUP"] = str(own)
        try:
            self.check_jobs(self.bench.start())
        finally:
            del os.environ["TARIFF_BENCH_CGROUP"]
            self.bench.process.terminate()
            self.bench.process.wait()
            own.rmdir()

    def test_children_that_enter_by_procs(self):
        self.check_jobs(self.bench.start(options=["--enter-by-procs"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
