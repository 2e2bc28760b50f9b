# SPDX-License-Identifier: Apache-2.0
"""Head-of-line wait of the top class behind a long job of its own class; prints JSON.

A job of 3 s of CPU time is placed, a little later one of 0.13 s, both of the top class, where the
classes have one CPU. Arms: fifo - each runs to its end in the order they came (the default); rr -
they take turns (round_robin: true). The arms take turns in blocks.
"""
import argparse
import json
import os
import re
import subprocess
import time
from pathlib import Path

import functions
from agent_client import Agent, job_of

CONFIG = Path("/etc/tariff/tariffd.yaml")
CLASSES = ("classes:\n  - {{name: bulk, price: 0.3}}\n  - {{name: background, price: 0.7}}\n"
           "  - {{name: standard, price: 1}}\n  - {{name: interactive, price: 1.5}}\n"
           "  - {{name: critical, price: 2, round_robin: {}}}\n")
SPIN = ("  - {name: order-top, class: critical, "
        "argv: [/usr/lib/tariff/examples/functions/spin]}\n")
LONG, SHORT = b"cpu_ms=3000", b"cpu_ms=130"
LATER_S = 0.3


def use(arm, shipped):
    CONFIG.write_text(shipped + "\n" + CLASSES.format("true" if arm == "rr" else "false"))
    subprocess.run(["systemctl", "reload", "tariffd.service"], check=True)


def pair(agent):
    ids = [agent.place("order-top", LONG)]
    time.sleep(LATER_S)
    ids.append(agent.place("order-top", SHORT))
    long, short = (job_of(agent.wait(job_id).result()) for job_id in ids)
    for job_id in ids:
        agent.acknowledge(job_id)
    return {"short_first_wait_s": short.first_ran - short.launched,
            "short_latency_s": short.main_exited, "long_latency_s": long.main_exited,
            "short_cpu_s": short.cpu, "long_cpu_s": long.cpu}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=6, help="of an arm in a block")
    options = parser.parse_args()
    shipped = re.sub(r"(?m)^classes:.*\n( .*\n)*", "", CONFIG.read_text())
    blocks = {"fifo": [], "rr": []}
    with functions.installed(SPIN):
        agent = Agent()
        for _ in range(options.blocks):
            for arm, kept in blocks.items():
                use(arm, shipped)
                kept.append([pair(agent) for _ in range(options.pairs)])
        slice_ms = int(Path("/proc/sys/kernel/sched_rr_timeslice_ms").read_text())
    print(json.dumps({"kernel": os.uname().release, "slice_ms": slice_ms, "blocks": blocks}))


if __name__ == "__main__":
    main()
