# SPDX-License-Identifier: Apache-2.0
"""A small client of the agent's socket (ttrpc, docs/api.md) for the demonstration and the benches.

One connection, many calls under way; each call is answered through a concurrent future. Only the
fields that its users need are encoded, by hand, so that nothing has to be generated or installed.
Not thread-safe for calls: one thread calls, a reader thread completes.
"""
import socket
import struct
import threading
from concurrent.futures import Future

SERVICE = "tariff.v1.Agent"
REQUEST, RESPONSE = 1, 2


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """One protobuf field: bytes and str as length-delimited, int and bool as varint; 0 is left out."""
    if isinstance(value, (bytes, str)):
        data = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(data)) + data if data else b""
    return varint(number << 3) + varint(int(value)) if value else b""


def parse(data):
    """{field number: [values]}; varints as int, the rest as bytes."""
    fields, at = {}, 0

    def take():
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = take()
        kind = key & 7
        if kind == 0:
            value = take()
        else:
            length = {1: 8, 5: 4}.get(kind) or take()
            value = data[at:at + length]
            at += length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def first(fields, number, default=0):
    return fields.get(number, [default])[0]


class CallError(Exception):
    """The server's status: code and message."""


class Job:
    """The fields of tariff.v1.Job that are looked at here; times in seconds since accepted."""

    def __init__(self, data):
        fields = parse(data)
        self.id = first(fields, 1, b"").decode()
        self.price_class = first(fields, 6, b"").decode()
        self.accepted_unix = first(fields, 9) / 1e9
        self.launched = first(fields, 10) / 1e9
        self.first_ran = first(fields, 11) / 1e9
        self.main_exited = first(fields, 14) / 1e9
        self.ended = first(fields, 15) / 1e9
        self.end_reason = first(fields, 16)  # 1 = exited
        self.exit_status = first(fields, 17)
        self.message = first(fields, 19, b"").decode()
        self.cpu = first(fields, 20) / 1e6
        self.pressure = first(fields, 21) / 1e6
        self.cost = first(fields, 25, b"0").decode()


class Agent:
    def __init__(self, path="/run/tariff/agent.sock"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.next_stream = 1
        self.calls = {}
        self.lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def call(self, method, request):
        """Sends one request; the future gives the reply's payload."""
        answer = Future()
        with self.lock:
            stream = self.next_stream
            self.next_stream += 2
            self.calls[stream] = answer
        body = field(1, SERVICE) + field(2, method) + field(3, request)
        self.socket.sendall(struct.pack(">IIBB", len(body), stream, REQUEST, 0) + body)
        return answer

    def _receive(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the agent closed the connection")
            data += part
        return data

    def _read(self):
        try:
            while True:
                length, stream, kind, _ = struct.unpack(">IIBB", self._receive(10))
                body = self._receive(length)
                with self.lock:
                    answer = self.calls.pop(stream, None)
                if answer is None or kind != RESPONSE:
                    continue
                fields = parse(body)
                status = parse(first(fields, 1, b""))
                if first(status, 1):
                    answer.set_exception(CallError(first(status, 2, b"").decode()))
                else:
                    answer.set_result(first(fields, 2, b""))
        except (OSError, ConnectionError) as problem:
            with self.lock:
                lost, self.calls = self.calls, {}
            for answer in lost.values():
                answer.set_exception(CallError(str(problem)))

    def place(self, function, payload=b"", job_id=""):
        """The job's id once it has been accepted; a refusal is a CallError."""
        request = field(1, job_id) + field(2, function) + field(3, payload)
        reply = parse(self.call("Place", request).result())
        if not first(reply, 1):
            raise CallError(first(reply, 4, b"").decode())
        return first(reply, 2, b"").decode()

    def wait(self, job_id):
        """A future of WaitReply's payload; job_of() reads it."""
        return self.call("Wait", field(1, job_id))

    def cancel(self, job_id):
        return self.call("Cancel", field(1, job_id))

    def acknowledge(self, job_id):
        return self.call("Acknowledge", field(1, job_id))


def job_of(wait_reply):
    return Job(first(parse(wait_reply), 1, b""))
