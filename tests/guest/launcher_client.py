# SPDX-License-Identifier: Apache-2.0
"""A client of the launcher's protocol, for tests: SOCK_SEQPACKET, one protobuf message per packet,
descriptors by SCM_RIGHTS. The message definitions are read from a copy of launcher/protocol.proto
(a guest has this directory only), so the test needs no generated code."""

import array
import os
import pathlib
import re
import select
import socket
import struct
import time

PROTO = pathlib.Path(__file__).with_name("launcher.proto")  # a copy, checked by a unit test
VARINTS = ("uint32", "uint64", "int32", "int64", "bool")


def load_schema(path=PROTO):
    """{message: {field: (number, type, repeated)}}, {enumerator: number}"""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    enums, values = set(), {}
    for name, body in re.findall(r"enum (\w+) \{(.*?)\}", text, re.S):
        enums.add(name)
        for key, number in re.findall(r"(\w+) = (\d+);", body):
            values[key] = int(number)
    text = re.sub(r"oneof \w+ \{(.*?)\}", r"\1", text, flags=re.S)
    messages = {}
    for name, body in re.findall(r"message (\w+) \{(.*?)\}", text, re.S):
        fields = {}
        for repeated, kind, field, number in re.findall(
                r"(repeated )?(\w+) (\w+) = (\d+);", body):
            fields[field] = (int(number), "int32" if kind in enums else kind, bool(repeated))
        messages[name] = fields
    return messages, values


SCHEMA, ENUM = load_schema()
REASONS = {number: name for name, number in ENUM.items() if name.startswith("REASON_")}
STATES = {number: name for name, number in ENUM.items() if name.startswith("STATE_")}
CODES = {number: name for name, number in ENUM.items() if name.startswith("CODE_")}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(message, content):
    out = b""
    for field, value in content.items():
        number, kind, repeated = SCHEMA[message][field]
        for item in value if repeated else [value]:
            if kind in VARINTS:
                out += varint(number << 3) + varint(int(item))
                continue
            if kind in ("string", "bytes"):
                data = item.encode() if isinstance(item, str) else item
            else:
                data = encode(kind, item)
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def decode(message, data):
    by_number = {number: (field, kind, repeated)
                 for field, (number, kind, repeated) in SCHEMA[message].items()}
    content = {field: [] if repeated else None if kind in SCHEMA else
               0 if kind in VARINTS else ""
               for field, (_, kind, repeated) in SCHEMA[message].items()}
    at = 0

    def read_varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = read_varint()
        if key & 7 == 0:
            value = read_varint()
        else:
            size = read_varint()
            value = data[at:at + size]
            at += size
        field, kind, repeated = by_number[key >> 3]
        if kind in SCHEMA:
            value = decode(kind, value)
        elif kind == "string":
            value = value.decode()
        elif kind in ("int32", "int64") and value >= 1 << 63:
            value -= 1 << 64
        if repeated:
            content[field].append(value)
        else:
            content[field] = value
    return content


class Refused(Exception):
    def __init__(self, failure):
        self.code = CODES[failure["code"]]
        self.message = failure["message"]
        super().__init__(f"{self.code}: {self.message}")


class Client:
    """One agent. `events` collects the records that were reported; `ended` by id those that ended."""

    def __init__(self, path, hello=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(path)
        self.sequence = 0
        self.events = []
        self.ended = {}
        if hello:
            self.hello = self.ask("hello", protocol_oldest=1, protocol_newest=1, version="test")

    def close(self):
        self.socket.close()

    def send_raw(self, data, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], control)

    def send(self, kind, fds=(), **content):
        self.sequence += 1
        message = SCHEMA["Request"][kind][1]
        self.send_raw(encode("Request", {"sequence": self.sequence, kind: content}), fds)
        return self.sequence

    def receive(self, timeout=20):
        """The next message, with its descriptor (or None) as the second."""
        if not select.select([self.socket], [], [], timeout)[0]:
            raise TimeoutError("no message from the launcher")
        data, control, _, _ = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(4))
        if not data:
            raise ConnectionError("the launcher closed the connection")
        fd = array.array("i", control[0][2])[0] if control else None
        response = decode("Response", data)
        record = response["changed"]
        if record:
            self.events.append(record)
            if record["state"] == ENUM["STATE_ENDED"]:
                self.ended[record["id"]] = record
        return response, fd

    def reply(self, sequence, timeout=20):
        until = time.monotonic() + timeout
        while True:
            response, fd = self.receive(max(0.0, until - time.monotonic()))
            if response["sequence"] == sequence:
                if response["failure"]:
                    raise Refused(response["failure"])
                return response, fd

    def ask(self, kind, fds=(), timeout=20, **content):
        return self.reply(self.send(kind, fds, **content), timeout)[0]

    def launch(self, id, argv, payload=None, wait=True, **more):
        content = dict(id=id, function=more.pop("function", "test"), function_version="v1",
                       class_asked="standard", class_run="standard", owner="local", argv=argv,
                       env=["PATH=/usr/bin:/bin"], working_directory="/tmp",
                       payload_digest="none", accepted_ns=time.monotonic_ns(),
                       accepted_unix_ns=time.time_ns(), pids_max=200, result_max=1 << 20)
        content.update(more)
        fds = []
        if payload is not None:
            memfd = os.memfd_create("payload", os.MFD_ALLOW_SEALING)
            os.write(memfd, payload)
            fds, content["has_payload"] = [memfd], True
        sequence = self.send("launch", fds, **content)
        for fd in fds:
            os.close(fd)
        return self.reply(sequence)[0]["launch"] if wait else sequence

    def wait_event(self, id, test, timeout=30):
        """The first record of `id` (past or to come) for which test(record) is true."""
        until = time.monotonic() + timeout
        seen = 0
        while True:
            for record in self.events[seen:]:
                if record["id"] == id and test(record):
                    return record
            seen = len(self.events)
            self.receive(max(0.0, until - time.monotonic()))

    def wait_ended(self, id, timeout=30):
        return self.wait_event(id, lambda record: record["state"] == ENUM["STATE_ENDED"], timeout)

    def run(self, id, argv, timeout=30, **more):
        self.launch(id, argv, **more)
        return self.wait_ended(id, timeout)

    def result(self, id):
        sequence = self.send("fetch_result", id=id)
        response, fd = self.reply(sequence)
        size = response["fetch_result"]["bytes"]
        try:
            return os.pread(fd, size, 0) if size else b""
        finally:
            os.close(fd)

    def list(self):
        sequence = self.send("list")
        records = {}
        while True:
            response, _ = self.reply(sequence)
            if response["list"]["last"]:
                return records
            record = response["list"]["record"]
            records[record["id"]] = record


def reason(record):
    return REASONS[record["reason"]][len("REASON_"):]


def nanoseconds(seconds):
    return int(seconds * 1e9)


if __name__ == "__main__":
    assert struct.calcsize("i") == 4 and SCHEMA["Record"]["id"][0] == 1
    sample = encode("Record", {"id": "a", "exit_status": -1})
    assert decode("Record", sample)["exit_status"] == -1
    print("ok")
