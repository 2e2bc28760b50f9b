# SPDX-License-Identifier: Apache-2.0
"""The table of the order benchmark: first come, first served against taking turns."""
import intervals

ROWS = (("short_first_wait_s", "short one: process made -> first ran"),
        ("short_latency_s", "short one: accepted -> exited"),
        ("long_latency_s", "long one: accepted -> exited"))


def table(figures):
    lines = [f"0.13 s of CPU behind 3 s of the same class on one CPU, {figures['suite']} "
             f"{figures['kernel']}, slice {figures['slice_ms']} ms; median and worst, ms; ratio of "
             "medians rr / fifo [95 % interval]", "",
             f"{'':38} {'fifo':>13} {'round robin':>13}  ratio"]
    for name, title in ROWS:
        arms = {arm: [[pair[name] for pair in block] for block in blocks]
                for arm, blocks in figures["blocks"].items()}
        cells = []
        for arm in ("fifo", "rr"):
            flat = [value for block in arms[arm] for value in block]
            cells.append(f"{intervals.median(flat) * 1e3:5.0f} / {max(flat) * 1e3:5.0f}")
        lines.append(f"{title:38} {cells[0]:>13} {cells[1]:>13}  "
                     f"{intervals.text(intervals.ratio(arms['rr'], arms['fifo'], 0.5))}")
    return "\n".join(lines)
