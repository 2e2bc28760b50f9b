# SPDX-License-Identifier: Apache-2.0
"""TLS on a real host: certificates made by the shipped tool, roles, renewal under traffic, strangers."""
import contextlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest

import lib
import ttrpc_wire as wire

CPUS = (2,)
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
FILES = pathlib.Path("/etc/tariff/tls")
CA = pathlib.Path("/run/tariff-test-ca")
DEV_CA = "/usr/share/tariff/dev-ca"
PORT = 7443
HANDSHAKE_DEADLINE = 5
FRAME_DEADLINE = 30
SECTION = f"""
tls:
  listen: "0.0.0.0:{PORT}"
  certificate: {FILES}/server.crt
  key: {FILES}/server.key
  client_ca: {FILES}/ca.crt
"""


def install(directory, *names):
    for name in names:
        shutil.copy(directory / name, FILES / name)
        (FILES / name).chmod(0o600)


def setUpModule():
    lib.run(DEV_CA, CA)
    FILES.mkdir(mode=0o700, exist_ok=True)
    install(CA, "server.crt", "server.key", "ca.crt")
    setUpModule.config = CONFIG.read_text()
    CONFIG.write_text(setUpModule.config + SECTION)
    lib.systemctl("restart", "tariffd")
    lib.wait_until(lambda: status()["tls_listen"], what="the TLS port")


def tearDownModule():
    CONFIG.write_text(setUpModule.config)
    lib.systemctl("restart", "tariffd")
    shutil.rmtree(FILES)
    shutil.rmtree(CA)
    lib.wait_until(lambda: not status()["tls_listen"], what="the end of the TLS port")


def status():
    return lib.ctl("status")


def remote(role, *words, ca=CA, host="localhost"):
    """tariffctl over TLS: (exit status, standard output, standard error)."""
    done = subprocess.run(["tariffctl", "--connect", f"tls://{host}:{PORT}", "--cert",
                           f"{ca}/{role}.crt", "--key", f"{ca}/{role}.key", "--ca", f"{CA}/ca.crt",
                           *words], capture_output=True, text=True, timeout=lib.TIMEOUT_S,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


CONFIGURATION = """
[req]
distinguished_name=dn
[dn]
[ca]
default_ca=test
[test]
database={folder}/index.txt
serial={folder}/serial
new_certs_dir={folder}
default_md=sha256
policy=any
[any]
commonName=supplied
[ext]
basicConstraints=critical,CA:FALSE
extendedKeyUsage=clientAuth
{names}
"""


def certify(folder, name, names="subjectAltName=URI:tariff:role/reader", begin="20200101000000Z",
            end="20400101000000Z", own_ca=False):
    """A client's certificate and key, of our CA or signed with its own key."""
    folder.mkdir(exist_ok=True)
    (folder / "ca.conf").write_text(CONFIGURATION.format(folder=folder, names=names))
    (folder / "index.txt").touch()
    base = f"{folder}/{name}"
    lib.run("openssl", "req", "-config", folder / "ca.conf", "-new", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", base + ".key",
            "-out", base + ".csr")
    signer = (["-selfsign", "-keyfile", base + ".key"] if own_ca
              else ["-cert", CA / "ca.crt", "-keyfile", CA / "ca.key"])
    lib.run("openssl", "ca", "-batch", "-notext", "-create_serial", "-config", folder / "ca.conf",
            "-extensions", "ext", *signer, "-in", base + ".csr", "-out", base + ".crt",
            "-startdate", begin, "-enddate", end)


class TlsPeer(wire.Peer):
    """The wire of the other tests, over TLS by Python's own library."""

    def __init__(self, role, ca=CA):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca / "ca.crt")
        context.load_cert_chain(ca / f"{role}.crt", ca / f"{role}.key")
        plain = socket.create_connection(("localhost", PORT), timeout=wire.PATIENCE)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.inbox = b""


class Roles(unittest.TestCase):
    def test_each_role_may_do_its_part_and_is_told_what_it_lacks(self):
        self.assertEqual(remote("reader", "status")[0], 0)
        code, _, said = remote("reader", "run", "hello", "--payload", "x")
        self.assertEqual(code, 121)
        self.assertIn("needs the role placer; its certificate says reader", said)
        code, out, said = remote("placer", "run", "hello", "--payload", "Ada")
        self.assertEqual(code, 0, said)
        self.assertIn("Ada", out)
        code, _, said = remote("placer", "drain")
        self.assertEqual(code, 6)
        self.assertIn("needs the role admin", said)
        self.assertEqual(remote("admin", "drain")[0], 0)
        self.assertTrue(status()["draining"])
        self.assertEqual(remote("admin", "drain", "--undo")[0], 0)

    def test_a_stranger_is_told_why_it_is_refused(self):
        other = CA / "other"
        lib.run(DEV_CA, other)
        try:
            code, _, said = remote("admin", "status", ca=other)
            self.assertEqual(code, 6, said)
            self.assertIn("CA that it does not know", said)
            self.assertNotEqual(subprocess.run([DEV_CA, other], capture_output=True).returncode, 0)
        finally:
            shutil.rmtree(other)

    def test_what_is_wrong_with_a_certificate_is_told(self):
        folder = CA / "wrong"
        failed = status()["tls_handshakes_failed"]
        try:
            certify(folder, "late", end="20200102000000Z")
            certify(folder, "early", begin="20390101000000Z")
            certify(folder, "own", own_ca=True)
            shutil.copy(CA / "server.crt", folder / "server.crt")
            shutil.copy(CA / "server.key", folder / "server.key")
            for name, words in (("late", "our certificate has expired"),
                                ("early", "our certificate is not valid there: not yet valid"),
                                ("own", "our certificate is of a CA that it does not know"),
                                ("server", "not made for this end")):
                code, _, said = remote(name, "status", ca=folder)
                self.assertEqual(code, 6, said)
                self.assertIn(words, said)
            self.assertEqual(status()["tls_handshakes_failed"] - failed, 4)
            # Good certificates with the wrong role, or none.
            certify(folder, "nobody", names="")
            certify(folder, "friend", names="subjectAltName=URI:tariff:role/friend")
            for name, words in (("nobody", "its certificate names no role"),
                                ("friend", "its certificate says friend")):
                code, _, said = remote(name, "status", ca=folder)
                self.assertEqual(code, 6, said)
                self.assertIn(words, said)
        finally:
            shutil.rmtree(folder)
        self.assertEqual(remote("reader", "status")[0], 0)

    def test_a_client_that_is_not_ours_is_served(self):
        with TlsPeer("reader") as peer:
            self.assertEqual(peer.call(1, "Poll").code, 0)
            self.assertEqual(peer.call(3, "Drain").code, wire.PERMISSION_DENIED)
            self.assertEqual(peer.call(5, "Poll").code, 0)
            self.assertEqual(peer.socket.version(), "TLSv1.3")


class Renewal(unittest.TestCase):
    def reload(self, status_wanted):
        done = subprocess.run(["systemctl", "reload", "tariffd"], capture_output=True, text=True)
        self.assertEqual(done.returncode == 0, status_wanted == 0, done.stderr)

    def test_new_certificates_are_taken_under_traffic_without_a_lost_call(self):
        stopping = threading.Event()
        calls, problems = [0], []

        def traffic():
            with TlsPeer("reader") as peer:
                stream = 1
                while not stopping.is_set():
                    answer = peer.call(stream, "Poll")
                    stream += 2
                    calls[0] += 1
                    if answer.code != 0:
                        problems.append(answer)

        def guarded():
            try:
                traffic()
            except Exception as problem:
                problems.append(problem)

        worker = threading.Thread(target=guarded)
        worker.start()
        before = lib.wait_until(lambda: calls[0] > 5 and calls[0], what="traffic")
        fresh = CA / "fresh"
        try:
            lib.run(DEV_CA, fresh)
            install(fresh, "server.crt", "server.key", "ca.crt")
            self.reload(0)
            with TlsPeer("reader", ca=fresh) as peer:
                self.assertEqual(peer.call(1, "Poll").code, 0)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                TlsPeer("reader")
            lib.wait_until(lambda: calls[0] > before + 5, what="traffic behind the reload")
        finally:
            install(CA, "server.crt", "server.key", "ca.crt")
            stopping.set()
            worker.join()
            self.reload(0)
            shutil.rmtree(fresh)
        self.assertEqual(problems, [])

    def test_a_key_that_does_not_fit_is_refused_and_the_old_one_stays(self):
        shutil.copy(CA / "reader.key", FILES / "server.key")
        try:
            self.reload(1)
            said = lib.run("journalctl", "-b", "-u", "tariffd", "-n", "40", "--no-pager")
            self.assertIn("is not the key of the certificate", said)
            checked = subprocess.run(["tariffctl", "check-config"], capture_output=True, text=True)
            self.assertEqual(checked.returncode, 1)
            self.assertRegex(checked.stderr, r"tariffd.yaml:\d+:8: error: 'key': the key")
            self.assertEqual(remote("reader", "status")[0], 0)
        finally:
            install(CA, "server.key")
            self.reload(0)

    def test_the_status_says_when_the_certificate_ends(self):
        days = (status()["certificate_expires_unix_ns"] / 1e9 - time.time()) / 86400
        self.assertGreater(days, 6)
        self.assertLess(days, 7.1)
        lib.wait_until(lambda: any("expires in 6 days" in text for text in status()["warnings"]),
                       what="the warning")


class Strangers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A reader with a good certificate who begins a frame and never ends it."""
        cls.slow = TlsPeer("reader")
        cls.slow.send(wire.request(1, "Poll")[:12])

    @classmethod
    def tearDownClass(cls):
        cls.slow.socket.close()

    def setUp(self):
        self.pid = lib.main_pid("tariffd")

    def tearDown(self):
        self.assertEqual(lib.main_pid("tariffd"), self.pid)
        lib.wait_until(lambda: remote("reader", "status")[0] == 0, what="room for a caller")

    def resident(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) << 10

    def test_ten_thousand_silent_connections_cost_little_and_lock_nobody_out(self):
        before = self.resident()
        kept, refused, slowest = [], 0, 0.0
        with wire.Peer() as member:
            stream = 1
            for count in range(10_000):
                with contextlib.suppress(OSError):
                    kept.append(socket.create_connection(("127.0.0.1", PORT), timeout=30))
                if count % 500 == 0:
                    begin = time.monotonic()
                    self.assertEqual(member.call(stream, "Poll").code, 0)
                    slowest = max(slowest, time.monotonic() - begin)
                    stream += 2
                while len(kept) > 500:
                    kept.pop(0).close()
            held = self.resident() - before
            now = status()
            self.assertGreater(now["tls_refused"], 5_000)
            self.assertEqual(member.call(stream, "Poll").code, 0)
        for peer in kept:
            peer.close()
        print(f"held {held >> 10} KiB, slowest Poll meanwhile {slowest * 1000:.0f} ms, "
              f"refused {now['tls_refused']}")
        self.assertLess(held, 16 << 20)
        self.assertLess(slowest, 2)

    def test_a_drip_and_a_half_open_handshake_end_by_the_deadline(self):
        drip = socket.create_connection(("127.0.0.1", PORT))
        half = socket.create_connection(("127.0.0.1", PORT))
        drip.settimeout(1)
        half.settimeout(4 * HANDSHAKE_DEADLINE)
        # The head of a ClientHello that never comes to its end.
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32))
        begin = time.monotonic()
        ended = False
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60):
            try:
                drip.send(bytes([byte]))
                ended = drip.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            if ended:
                break
        self.assertTrue(ended, "the drip goes on")
        self.assertLess(time.monotonic() - begin, 4 * HANDSHAKE_DEADLINE)
        with contextlib.suppress(ConnectionError):
            self.assertEqual(half.recv(1), b"")
        drip.close()
        half.close()

    def test_a_peer_that_closes_its_half_is_not_kept(self):
        with TlsPeer("reader") as peer:
            self.assertEqual(peer.call(1, "Poll").code, 0)
            # Without TLS's goodbye, in the middle of a frame: as after a crash.
            peer.send(wire.request(3, "Poll")[:12])
            kept = status()["tls_connections"]
            peer.socket.shutdown(socket.SHUT_WR)
            lib.wait_until(lambda: status()["tls_connections"] < kept, what="the end of it")

    def test_unfinished_frames_end_by_the_deadline_and_certificates_buy_no_more(self):
        """The last by name: the others pass the time."""
        self.assertEqual(self.slow.wait_end(FRAME_DEADLINE + wire.PATIENCE), 0)

    def test_a_flood_of_handshakes_delays_nobody_on_the_machine(self):
        stopping = threading.Event()

        def flood():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            while not stopping.is_set():
                with contextlib.suppress(OSError):
                    plain = socket.create_connection(("127.0.0.1", PORT), timeout=10)
                    context.wrap_socket(plain).close()

        def cpu_ms():
            ticks = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")")[1].split()
            return (int(ticks[11]) + int(ticks[12])) * 1000 // os.sysconf("SC_CLK_TCK")

        workers = [threading.Thread(target=flood) for _ in range(4)]
        before, begin, failed = cpu_ms(), time.monotonic(), status()["tls_handshakes_failed"]
        for worker in workers:
            worker.start()
        slowest = 0.0
        with wire.Peer() as member:
            for stream in range(1, 200, 2):
                called = time.monotonic()
                self.assertEqual(member.call(stream, "Poll").code, 0)
                slowest = max(slowest, time.monotonic() - called)
                time.sleep(0.05)
        stopping.set()
        for worker in workers:
            worker.join()
        took = time.monotonic() - begin
        done = status()["tls_handshakes_failed"] - failed
        print(f"{done} handshakes in {took:.1f} s ({(cpu_ms() - before) / max(done, 1):.1f} ms of "
              f"CPU each, all of the agent), slowest Poll {slowest * 1000:.0f} ms")
        self.assertLess(done, 40 + 25 * took)
        self.assertLess(slowest, 2)
