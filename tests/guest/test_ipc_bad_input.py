# SPDX-License-Identifier: Apache-2.0
"""What a client can do wrong to the agent's socket, by accident or not. Each test has a clear answer
or a bounded end, and while it runs another client is served; at the end the agent is the same
process, with as many descriptors as before and hardly more memory."""
import grp
import os
import pathlib
import random
import resource
import select
import subprocess
import threading
import time
import unittest

import ttrpc_wire as wire
from ttrpc_wire import Peer, field, frame, header, request

NOBODY = 65534
# The service has a right to 30 s for a peer that does not read, or does not finish a frame.
SERVER_DEADLINE = 30
MOST_CONNECTIONS = 1024
IDLE = 10_000
REFUSED = 4  # tariffctl(1)
LARGEST_BUFFERS = 256 << 20


def agent_pid():
    """Of the process that accepted us: works for a service and for a server started by hand."""
    with Peer() as peer:
        peer.call(1, "Poll")
        credentials = peer.socket.getsockopt(1, 17, 12)  # SOL_SOCKET, SO_PEERCRED
    pid = int.from_bytes(credentials[:4], "little")
    # A socket that systemd listens on names systemd: then the service knows.
    if pid == 1:
        pid = int(subprocess.check_output(["systemctl", "show", "-P", "MainPID", "tariffd"]))
    return pid


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) << 10


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def as_user(uid, groups, action):
    """Runs action() in a child of that identity; what it returned as an exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.setgroups(groups)
            os.setgid(NOBODY)
            os.setuid(uid)
            status = action()
        except BaseException as problem:  # the child must not go on as the test
            print(f"child: {problem!r}", flush=True)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Witness(threading.Thread):
    """Another client, which behaves: it polls all the time and must be answered all the time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peer = Peer()
        self.stopping = threading.Event()
        self.calls = 0
        self.slowest = 0.0
        self.problem = None

    def run(self):
        stream = 1
        try:
            while not self.stopping.is_set():
                begin = time.monotonic()
                answer = self.peer.call(stream, "Poll")
                if answer.code != 0:
                    raise AssertionError(answer)
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.calls += 1
                stream += 2
                self.stopping.wait(0.05)
        except Exception as problem:
            self.problem = problem

    def finish(self):
        self.stopping.set()
        self.join(wire.PATIENCE)
        self.peer.socket.close()


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        cls.pid = agent_pid()
        cls.resident = resident(cls.pid)
        cls.descriptors = descriptors(cls.pid)

    def setUp(self):
        self.witness = Witness()
        self.witness.start()

    def tearDown(self):
        self.witness.finish()
        self.assertIsNone(self.witness.problem, "another client was not served")
        self.assertGreater(self.witness.calls, 0)
        self.assertLess(self.witness.slowest, 10, "another client had to wait")
        self.assertEqual(agent_pid(), self.pid, "the agent was restarted")

    @classmethod
    def tearDownClass(cls):
        until = time.monotonic() + 10
        while descriptors(cls.pid) > cls.descriptors + 4 and time.monotonic() < until:
            time.sleep(0.1)
        assert descriptors(cls.pid) <= cls.descriptors + 4, "the agent keeps descriptors"
        grown = resident(cls.pid) - cls.resident
        assert grown < 64 << 20, f"the agent has grown by {grown >> 20} MiB"

    def check(self, answer, code, text):
        self.assertEqual(answer.code, code, answer)
        self.assertTrue(answer.message.startswith(text), answer)

    def test_a_frame_over_the_limit_is_discarded_and_answered(self):
        with Peer() as peer:
            peer.send(header(wire.LARGEST + 1, 5, wire.REQUEST) + bytes(wire.LARGEST + 1))
            self.check(peer.answer(), wire.RESOURCE_EXHAUSTED,
                       "message length 4194305 exceed maximum message size of 4194304")
            self.assertEqual(peer.call(7, "Poll").code, 0)

    def test_an_absurd_length_is_answered_and_ends_the_connection(self):
        for length in (0xFFFFFFFF, (64 << 20) + 1):
            with Peer() as peer:
                peer.send(header(length, 1, wire.REQUEST))
                self.check(peer.answer(), wire.RESOURCE_EXHAUSTED, f"message length {length} ")
                self.assertEqual(peer.wait_end(), 0)

    def test_a_pump_that_never_ends_is_cut_off(self):
        with Peer() as peer:
            peer.send(header(0xFFFFFFFF, 1, wire.REQUEST))
            with self.assertRaises(OSError):
                for _ in range(4096):
                    peer.send(bytes(1 << 20))

    def test_what_is_no_request_is_an_invalid_argument(self):
        with Peer() as peer:
            peer.send(frame(1, wire.REQUEST, b"\xff\xff\xff"))
            self.check(peer.answer(), wire.INVALID_ARGUMENT, "unmarshal request error")
            self.check(peer.call(3, "Place", b"\xff\xff\xff"), wire.INVALID_ARGUMENT,
                       "ttrpc: error unmarshalling payload")
            self.check(peer.call(5, "Nope"), wire.UNIMPLEMENTED, "method Nope")
            self.check(peer.call(7, "Poll", service="no.Such"), wire.UNIMPLEMENTED,
                       "service no.Such")
            self.assertEqual(peer.call(9, "Poll").code, 0)

    def test_text_that_is_not_utf8_is_an_invalid_argument_and_fills_no_journal(self):
        with Peer() as peer:
            stream = 1
            for _ in range(200):
                bad = field(1, b"x") + field(2, b"\xc3\x28\xff")  # id, function
                self.check(peer.call(stream, "Place", bad), wire.INVALID_ARGUMENT, "ttrpc: ")
                stream += 2
            self.check(peer.call(stream, b"\xff\xfe"), wire.INVALID_ARGUMENT, "unmarshal request")
            self.check(peer.call(stream + 2, "Poll", service=b"\xed\xa0\x80"),
                       wire.INVALID_ARGUMENT, "unmarshal request")
        if os.environ.get("TARIFF_AGENT_SOCKET"):
            return
        journal = subprocess.run(["journalctl", "-u", "tariffd", "-q", "-o", "cat"],
                                 stdout=subprocess.PIPE, check=True).stdout
        self.assertNotIn(b"invalid UTF-8", journal)

    def test_unknown_fields_are_ignored(self):
        unknown = field(999, 7) + field(1000, b"later") + varint_group()
        with Peer() as peer:
            self.assertEqual(peer.call(1, "Poll", unknown, more=unknown).code, 0)
            refused = peer.call(3, "Place", field(2, "no-such-function") + unknown)
            self.assertEqual(refused.code, 0)
            self.assertEqual(wire.first(wire.parse(refused.payload), 3), 1)  # UNKNOWN_FUNCTION

    def test_stream_ids_that_are_even_or_come_again_are_refused(self):
        with Peer() as peer:
            self.check(peer.call(2, "Poll"), wire.INVALID_ARGUMENT,
                       "StreamID must be odd for client initiated streams")
            self.assertEqual(peer.call(9, "Poll").code, 0)
            for stream in (9, 7):
                self.check(peer.call(stream, "Poll"), wire.INVALID_ARGUMENT,
                           "StreamID cannot be re-used and must increment")

    def test_data_where_none_belongs_is_an_invalid_argument(self):
        with Peer() as peer:
            peer.send(frame(1, wire.DATA, b"what"))
            self.check(peer.answer(), wire.INVALID_ARGUMENT, "StreamID is no longer active")
            # On the id of a call without streams: refused, whether the call is still under way
            # ("data handling error") or has been answered in the meantime.
            peer.send(request(3, "Wait", field(1, "nobody")) + frame(3, wire.DATA, b"more") +
                      request(5, "Poll"))
            answers = {}
            while 5 not in answers:
                answer = peer.answer()
                answers.setdefault(answer.stream, []).append(answer.code)
            self.assertIn(wire.INVALID_ARGUMENT, answers[3])
            self.assertEqual(answers[5], [0])

    def test_types_and_flags_of_a_later_version_are_ignored(self):
        with Peer() as peer:
            for kind in (0, 2, 4, 255):
                peer.send(frame(1, kind, b"later", 0xFF))
            peer.send(request(1, "Poll", flags=0xF8))
            self.assertEqual(peer.answer().code, 0)

    def test_timeouts_that_are_over_or_absurd(self):
        with Peer() as peer:
            self.check(peer.call(1, "Poll", timeout_nano=-1), wire.DEADLINE_EXCEEDED,
                       "context deadline exceeded")
            self.assertEqual(peer.call(3, "Poll", timeout_nano=(1 << 63) - 1).code, 0)

    def test_a_peer_that_half_closes_is_answered_first(self):
        with Peer() as peer:
            peer.send(request(1, "Poll"))
            peer.half_close()
            self.assertEqual(peer.answer().code, 0)
            self.assertEqual(peer.wait_end(), 0)

    def test_a_frame_cut_short_is_dropped_with_its_connection(self):
        whole = request(1, "Poll")
        for cut in (1, 9, 10, len(whole) - 1):
            with Peer() as peer:
                peer.send(whole[:cut])
                peer.half_close()
                self.assertEqual(peer.wait_end(), 0)

    def test_frames_never_finished_and_answers_never_read_end_by_the_deadline(self):
        slow = Peer()
        slow.send(request(1, "Poll")[:12])
        watcher = Peer()
        with Peer() as peer:
            jobs = [f"deaf-{time.monotonic_ns()}-{number}" for number in range(20)]
            for number, job in enumerate(jobs):
                peer.call(2 * number + 1, "Place", field(1, job) + field(2, "hello"))
        # A snapshot of 20 jobs for each is more than the socket takes.
        for number in range(250):
            watcher.send(request(2 * number + 1, "Watch", field(2, 1), flags=wire.REMOTE_CLOSED))
        deaf = Peer()
        deaf.socket.setblocking(False)
        stream, sent = 1, 0
        begin = time.monotonic()
        ended = False
        while not ended and time.monotonic() < begin + 2 * SERVER_DEADLINE + wire.PATIENCE:
            try:
                sent += deaf.socket.send(request(stream, "Functions"))
                stream += 2
            except BlockingIOError:
                time.sleep(0.1)
            except (BrokenPipeError, ConnectionResetError):
                ended = True
        self.assertTrue(ended, f"a peer that reads nothing is still connected after {sent} bytes")
        self.assertEqual(slow.wait_end(SERVER_DEADLINE + wire.PATIENCE), 0)
        slow.socket.close()
        deaf.socket.close()
        self.wait_hangup(watcher)
        watcher.socket.close()
        with Peer() as peer:
            for number, job in enumerate(jobs):
                peer.call(4 * number + 1, "Wait", field(1, job))
                peer.call(4 * number + 3, "Acknowledge", field(1, job))

    def wait_hangup(self, peer):
        """Until the server has closed it; nothing is read."""
        poll = select.poll()
        poll.register(peer.socket, 0)  # POLLHUP is always told
        ended = poll.poll((SERVER_DEADLINE + wire.PATIENCE) * 1000)
        self.assertTrue(ended and ended[0][1] & select.POLLHUP, "it is still connected")

    def test_silent_peers_cost_nobody_anything(self):
        peers = [Peer() for _ in range(200)]
        with Peer() as peer:
            self.assertEqual(peer.call(1, "Poll").code, 0)
        self.assertEqual(peers[0].call(1, "Poll").code, 0)
        for peer in peers:
            peer.socket.close()

    def test_a_hundred_large_frames_never_finished_do_not_fill_the_memory(self):
        unfinished = header(wire.LARGEST, 1, wire.REQUEST) + bytes(wire.LARGEST - 1)
        peers, cut_off = [], 0
        for _ in range(100):
            peers.append(Peer())
            try:
                peers[-1].send(unfinished)
            except OSError:
                cut_off += 1
        held = resident(self.pid) - self.resident
        for peer in peers:
            peer.socket.close()
        self.assertLess(held, LARGEST_BUFFERS + (64 << 20))
        print(f"{cut_off} cut off while sending; the agent held {held >> 20} MiB")

    def test_thousands_of_tiny_frames(self):
        count = 20_000
        with Peer() as peer:
            flood = frame(1, 0) * count + frame(2, wire.REQUEST) * (count // 10)
            sender = threading.Thread(target=peer.send, args=(flood,))
            sender.start()
            for _ in range(count // 10):
                self.assertEqual(peer.answer().code, wire.INVALID_ARGUMENT)
            sender.join()
            self.assertEqual(peer.call(1, "Poll").code, 0)

    def test_random_bytes_end_at_most_their_own_connection(self):
        for seed in range(100):
            source = random.Random(seed)
            with Peer() as peer:
                data = b""
                for _ in range(20):
                    body = source.randbytes(source.randrange(64))
                    if source.random() < 0.7:
                        data += header(len(body), source.randrange(32), source.randrange(5))
                    data += body
                try:
                    peer.send(data)
                    peer.half_close()
                except OSError:
                    pass  # it has been cut off already
                peer.wait_end()

    def test_a_stranger_cannot_connect_and_a_member_cannot_administer(self):
        if os.environ.get("TARIFF_AGENT_SOCKET"):
            self.skipTest("a server started by hand has no group")
        group = grp.getgrnam("tariff").gr_gid

        def connects():
            try:
                Peer().socket.close()
            except PermissionError:
                return 13
            return 0

        def places_and_drains():
            with Peer() as peer:
                read = peer.call(1, "Status").code
                drain = peer.call(3, "Drain")
                print(f"a member's Drain: {drain}", flush=True)
                return 0 if read == 0 and drain.code == wire.PERMISSION_DENIED else 1

        self.assertEqual(as_user(NOBODY, [], connects), 13)
        self.assertEqual(as_user(NOBODY, [group], places_and_drains), 0)
        with Peer() as peer:
            status = wire.parse(peer.call(1, "Status").payload)
            self.assertEqual(wire.first(status, 4), 0, "the machine is being drained")

    def test_ten_thousand_idle_connections_are_bounded_and_root_still_gets_in(self):
        def others():
            """Connects and says nothing, 10,000 times; then a program of ours is told why not."""
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 100, hard))
            kept = [Peer() for _ in range(IDLE)]
            refused = kept[-1].answer()  # it has been judged, so all have
            poll = select.poll()
            for peer in kept:
                poll.register(peer.socket, select.POLLRDHUP)
            fits = 500 < IDLE - len(poll.poll(0)) <= MOST_CONNECTIONS
            done = subprocess.run(["tariffctl", "--timeout", "5s", "status"], capture_output=True,
                                  text=True)
            told = (refused.code == wire.RESOURCE_EXHAUSTED and done.returncode == REFUSED
                    and "too many connections" in done.stderr)
            os.write(2, done.stderr.encode())
            os.write(ready[1], b"x")
            os.read(hold[0], 1)
            return (0 if fits else 1) + (0 if told else 2)

        if os.environ.get("TARIFF_AGENT_SOCKET"):
            self.skipTest("root and the others are the same there")
        group = grp.getgrnam("tariff").gr_gid
        ready, hold = os.pipe(), os.pipe()
        result = []

        def take():
            result.append(as_user(NOBODY, [group], others))
            os.write(ready[1], b"x")  # also if it never came to it

        taker = threading.Thread(target=take)
        taker.start()
        os.read(ready[0], 1)
        held = resident(self.pid) - self.resident
        try:
            with Peer() as peer:
                self.assertEqual(peer.call(1, "Poll").code, 0)
        finally:
            os.write(hold[1], b"x")
            taker.join()
        print(f"the agent held {held >> 20} MiB")
        self.assertEqual(result, [0])
        self.assertLess(held, 64 << 20)


def varint_group():
    """A field in the two fixed-size encodings, which none of our messages uses at that number."""
    return (wire.varint(1001 << 3 | 1) + bytes(8)) + (wire.varint(1002 << 3 | 5) + bytes(4))


if __name__ == "__main__":
    unittest.main(verbosity=2)
