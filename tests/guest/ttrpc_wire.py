# SPDX-License-Identifier: Apache-2.0
"""ttrpc by hand: bytes in, bytes out, and as little protobuf as its tests need. It shares nothing
with the implementation under test, and it can send what no library would."""
import os
import socket
import struct
import time

SOCKET = os.environ.get("TARIFF_AGENT_SOCKET", "/run/tariff/agent.sock")
AGENT = "tariff.v1.Agent"
REQUEST, RESPONSE, DATA = 1, 2, 3
REMOTE_CLOSED, REMOTE_OPEN, NO_DATA = 1, 2, 4
LARGEST = 4 << 20

INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED = 3, 4, 5, 7
RESOURCE_EXHAUSTED, UNIMPLEMENTED = 8, 12

# Guests are emulated: a bound that only a hang exceeds.
PATIENCE = 60


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number, value):
    """One protobuf field: an int as a varint, bytes or str length-delimited."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def parse(data):
    """{field number: [values]}: varints as int, all else as bytes."""
    fields, at = {}, 0

    def take():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        key = take()
        if key & 7 == 0:
            value = take()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or take()
            value = data[at:at + size]
            at += size
        fields.setdefault(key >> 3, []).append(value)
    return fields


def first(fields, number, default=0):
    return fields.get(number, [default])[0]


def header(length, stream, kind, flags=0):
    return struct.pack(">IIBB", length, stream, kind, flags)


def frame(stream, kind, data=b"", flags=0):
    return header(len(data), stream, kind, flags) + data


def request(stream, method, payload=b"", service=AGENT, timeout_nano=0, flags=0, more=b""):
    body = field(1, service) + field(2, method) + field(3, payload)
    if timeout_nano:
        body += field(4, timeout_nano)
    return frame(stream, REQUEST, body + more, flags)


class Answer:
    """A Response frame."""

    def __init__(self, stream, data):
        fields = parse(data)
        status = parse(first(fields, 1, b""))
        self.stream = stream
        self.code = first(status, 1)
        self.message = first(status, 2, b"").decode()
        self.payload = first(fields, 2, b"")

    def __repr__(self):
        return f"<stream {self.stream}: {self.code} {self.message!r} {self.payload[:40]!r}>"


class Peer:
    """One connection, in bytes."""

    def __init__(self, path=SOCKET):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # With a timeout the socket would not wait for room in a backlog that is full: EAGAIN.
        self.socket.connect(path)
        self.socket.settimeout(PATIENCE)
        self.inbox = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _more(self, timeout):
        """False at the end of the connection."""
        self.socket.settimeout(max(0.001, timeout))
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        finally:
            self.socket.settimeout(PATIENCE)
        self.inbox += data
        return bool(data)

    def receive(self, timeout=PATIENCE):
        """(stream, kind, flags, data) of the next frame; None at the end of the connection."""
        until = time.monotonic() + timeout
        while True:
            if len(self.inbox) >= 10:
                length, stream, kind, flags = struct.unpack(">IIBB", self.inbox[:10])
                if len(self.inbox) >= 10 + length:
                    data = self.inbox[10:10 + length]
                    self.inbox = self.inbox[10 + length:]
                    return stream, kind, flags, data
            if not self._more(until - time.monotonic()):
                return None

    def answer(self, timeout=PATIENCE):
        got = self.receive(timeout)
        if got is None:
            raise ConnectionError("the server closed the connection")
        assert got[1] == RESPONSE, got
        return Answer(got[0], got[3])

    def call(self, stream, method, payload=b"", **more):
        self.send(request(stream, method, payload, **more))
        answer = self.answer()
        assert answer.stream == stream, answer
        return answer

    def wait_end(self, timeout=PATIENCE):
        """Reads to the end of the connection; the number of frames that came before it."""
        frames = 0
        until = time.monotonic() + timeout
        while self.receive(until - time.monotonic()) is not None:
            frames += 1
        return frames
