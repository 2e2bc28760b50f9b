# SPDX-License-Identifier: Apache-2.0
"""Watchers that never read: what they cost, and that others get every event meanwhile."""
import pathlib
import unittest

import ttrpc_wire as wire
from lib import functions, main_pid
from lib.agent_client import Agent
from ttrpc_wire import field, first, parse, request

CPUS = (1, 2)
JOBS = 100
CONNECTIONS, WATCHES = 1, 250
# Each connection may hold 8 MiB of events (half of ipc.max_queued_bytes), in frames of 300 bytes.
LARGEST = CONNECTIONS * (16 << 20) + (16 << 20)
ENDED = 5  # JobState


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) << 10


def watch(peer, streams):
    for number in range(streams):
        peer.send(request(2 * number + 1, "Watch", field(2, 1), flags=wire.REMOTE_CLOSED))


class DeafWatchers(unittest.TestCase):
    def test_they_cost_bounded_memory_and_others_see_every_end(self):
        pid = main_pid("tariffd")
        agent = Agent()
        deaf = [wire.Peer() for _ in range(CONNECTIONS)]
        with functions("watchers", "  - {name: watched, class: standard, argv: [/bin/true]}\n"), \
                wire.Peer() as good:
            before = resident(pid)
            for peer in deaf:
                watch(peer, WATCHES)
            watch(good, 1)
            jobs = [agent.place("watched") for _ in range(JOBS)]
            ended = set()
            while len(ended.intersection(jobs)) < JOBS:
                event = parse(good.receive()[3])
                self.assertNotIn(3, event, "events were missed")
                job = parse(first(event, 1, b""))
                if first(job, 8) == ENDED:
                    ended.add(first(job, 1).decode())
            held = resident(pid) - before
            for job in jobs:
                agent.wait(job).result()
                agent.acknowledge(job)
        for peer in deaf:
            peer.socket.close()
        print(f"{CONNECTIONS * WATCHES} deaf watches hold {held >> 20} MiB")
        self.assertLess(held, LARGEST)
        self.assertEqual(main_pid("tariffd"), pid)


if __name__ == "__main__":
    unittest.main(verbosity=2)
