# SPDX-License-Identifier: Apache-2.0
"""The agent, used by clients that nobody here wrote: containerd's Go library (tests/interop) over
the Unix socket and TCP, and for the stream of Watch, which bookworm's library cannot read yet,
frames as containerd's protocol document draws them."""
import os
import pathlib
import socket
import subprocess
import time
import unittest

import ttrpc_wire as wire
from ttrpc_wire import Peer, field, first, frame, parse, request

CLIENT = os.environ.get("TARIFF_INTEROP_CLIENT", "/mnt/share/interop/tariff-interop-client")
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
TCP = ("127.0.0.1", 7199)
ENDED = 5  # JobState


def go_client(endpoint):
    """The foreign client's output; it fails when one of its checks does."""
    done = subprocess.run([CLIENT, endpoint, "hello"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300, text=True)
    print(done.stdout, flush=True)
    if done.returncode != 0:
        raise AssertionError(f"{CLIENT} {endpoint} hello: exit status {done.returncode}")
    return done.stdout


class GoClient(unittest.TestCase):
    def test_the_client_was_built(self):
        self.assertTrue(os.access(CLIENT, os.X_OK),
                        f"{CLIENT} is missing: tests/interop/build.sh makes it")

    def test_it_places_and_waits_over_the_unix_socket(self):
        self.assertIn("8 jobs at once", go_client(wire.SOCKET))

    def test_it_places_and_waits_over_tcp(self):
        text = CONFIG.read_text()
        CONFIG.write_text(with_tcp(text))
        try:
            subprocess.run(["systemctl", "restart", "tariffd"], check=True, timeout=120)
            self.assertIn("8 jobs at once", go_client("%s:%d" % TCP))
            status = subprocess.run(["tariffctl", "status"], stdout=subprocess.PIPE, check=True,
                                    timeout=120, text=True).stdout
            self.assertIn("%s:%d" % TCP, status, "status does not say that TCP is open")
        finally:
            CONFIG.write_text(text)
            subprocess.run(["systemctl", "restart", "tariffd"], check=True, timeout=120)
        with self.assertRaises(OSError):
            socket.create_connection(TCP, timeout=5)


def with_tcp(text):
    """The configuration with its `sockets:` replaced."""
    kept, inside = [], False
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            inside = line.startswith("sockets:")
        if not inside or line.startswith("#"):
            kept.append(line)
    kept += ["sockets:", "  insecure_tcp: true", "  tcp_listen: %s:%d" % TCP]
    return "\n".join(kept) + "\n"


class WatchFrames(unittest.TestCase):
    """Watch is a server stream: Request with "remote closed", bare Data, an end of its own."""

    def watch(self, peer, stream, job_id="", snapshot=False):
        payload = (field(1, job_id) if job_id else b"") + (field(2, 1) if snapshot else b"")
        peer.send(request(stream, "Watch", payload, flags=wire.REMOTE_CLOSED))

    def next_event(self, peer, stream):
        """(job fields, event fields) of the next Data frame."""
        got_stream, kind, flags, data = peer.receive()
        self.assertEqual((got_stream, kind, flags), (stream, wire.DATA, 0))
        event = parse(data)
        return parse(first(event, 1, b"")), event

    def until_ended(self, peer, stream, job_id):
        states = []
        while not states or states[-1] != ENDED:
            job, _ = self.next_event(peer, stream)
            if first(job, 1, b"").decode() == job_id:
                states.append(first(job, 8))
        return states

    def place(self, peer, stream, job_id):
        reply = peer.call(stream, "Place", field(1, job_id) + field(2, "hello"))
        self.assertEqual(reply.code, 0, reply)
        self.assertEqual(first(parse(reply.payload), 1), 1, "the placement was refused")

    def test_a_job_is_watched_from_its_start_to_its_end(self):
        job_id = f"watched-{time.monotonic_ns()}"
        with Peer() as watcher, Peer() as placer:
            self.watch(watcher, 1)
            self.place(placer, 1, job_id)
            states = self.until_ended(watcher, 1, job_id)
            self.assertEqual(states, sorted(states), "a job's states only go forward")

    def test_a_snapshot_has_what_was_there_and_calls_go_on_beside_it(self):
        job_id = f"snapshot-{time.monotonic_ns()}"
        with Peer() as peer:
            self.place(peer, 1, job_id)
            waited = peer.call(3, "Wait", field(1, job_id))
            self.assertEqual(waited.code, 0, waited)
            self.watch(peer, 5, job_id, snapshot=True)
            job, event = self.next_event(peer, 5)
            self.assertEqual(first(event, 2), 1, "not marked as a snapshot")
            self.assertEqual(first(job, 1, b"").decode(), job_id)
            self.assertEqual(first(job, 8), ENDED)
            # The stream stays open; other calls are answered on the same connection.
            self.assertEqual(peer.call(7, "Poll").code, 0)

    def test_a_client_may_close_its_side_again_but_sends_no_messages(self):
        with Peer() as peer:
            self.watch(peer, 1)
            peer.send(frame(1, wire.DATA, flags=wire.REMOTE_CLOSED | wire.NO_DATA))
            self.assertEqual(peer.call(3, "Poll").code, 0)
            peer.send(frame(1, wire.DATA, b"hello?"))
            answer = peer.answer()
            self.assertEqual((answer.stream, answer.code), (1, wire.INVALID_ARGUMENT))

    def test_a_watcher_that_half_closes_goes_on_reading(self):
        job_id = f"half-{time.monotonic_ns()}"
        with Peer() as watcher, Peer() as placer:
            self.watch(watcher, 1, job_id)
            watcher.half_close()
            self.place(placer, 1, job_id)
            self.until_ended(watcher, 1, job_id)

    def test_stopping_the_agent_ends_a_watch_with_a_status(self):
        with Peer() as peer:
            self.watch(peer, 1)
            self.assertEqual(peer.call(3, "Poll").code, 0)
            subprocess.run(["systemctl", "restart", "tariffd"], check=True, timeout=120)
            answer = peer.answer()
            self.assertEqual((answer.stream, answer.code), (1, 14), answer)
            self.assertIsNone(peer.receive())
        with Peer() as peer:
            self.assertEqual(peer.call(1, "Poll").code, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
