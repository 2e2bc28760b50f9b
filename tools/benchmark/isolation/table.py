# SPDX-License-Identifier: Apache-2.0
"""The isolation benchmark's tables: p99 of each arm against "alone", and the sweep."""
import intervals

AIM = 1.1
NAMES = {"alone": "alone (idle spinner beside)", "classes": "classes (SCHED_FIFO)",
         "weight": "cpu.weight 10000:1", "idle": "cpu.idle for bulk", "equal": "SCHED_OTHER"}


def table(figures):
    arms = {arm: [block["latency_s"] for block in blocks]
            for arm, blocks in figures["blocks"].items()}
    lines = [f"home under bulk overload, {figures['suite']} {figures['kernel']}, {figures['cpus']} "
             f"emulated CPUs, {figures['class_cpus']} for jobs; ratio to alone [95 % interval]", "",
             f"{'':30} {'n':>4} {'p50 ms':>7} {'p99 ms':>7}  {'p50 ratio':19} {'p99 ratio':19} "
             f"{'no CPU':>7}"]
    for arm, blocks in arms.items():
        flat = [value for block in blocks for value in block]
        middle = intervals.ratio(blocks, arms["alone"], 0.5)
        late = intervals.ratio(blocks, arms["alone"], 0.99)
        stall = sum(block["stall_s"] for block in figures["blocks"][arm])
        took = sum(block["took_s"] for block in figures["blocks"][arm])
        lines.append(f"{NAMES[arm]:30} {len(flat):4} {intervals.median(flat) * 1e3:7.0f} "
                     f"{intervals.quantile(flat, 0.99) * 1e3:7.0f}  {intervals.text(middle):19} "
                     f"{intervals.text(late):19} {stall / took:7.1%}")
    late = intervals.ratio(arms["classes"], arms["alone"], 0.99)
    lines += ["", "no CPU: share of the time in which a task of the top class wanted a CPU and had "
              "none (cpu.pressure of its cgroup)",
              f"{intervals.verdict(late, AIM):9}  p99 with classes at most {AIM}x alone: "
              f"{intervals.text(late)}"]
    return "\n".join(lines + ["", *sweep(figures["sweep"])])


def sweep(cells):
    """Latency over CPU time of the last of several top-class jobs placed at once."""
    if not cells:
        return []
    lines = ["the last of several top-class jobs placed at once: latency / its CPU time, median",
             f"{'top jobs':>8} {'bulk tasks per CPU':>18} {'classes':>8} {'weight':>8}  "
             "weight / classes"]
    for top in sorted({cell["top"] for cell in cells}):
        for bulk in sorted({cell["bulk"] for cell in cells}):
            stretch = {arm: [[max(one["latency_s"]) / max(max(one["cpu_s"]), 1e-3)
                              for one in cell["rounds"]]
                             for cell in cells
                             if (cell["arm"], cell["top"], cell["bulk"]) == (arm, top, bulk)]
                       for arm in ("classes", "weight")}
            flat = {arm: [value for block in blocks for value in block]
                    for arm, blocks in stretch.items()}
            ratio = intervals.ratio(stretch["weight"], stretch["classes"], 0.5)
            lines.append(f"{top:8} {bulk:18} {intervals.median(flat['classes']):8.2f} "
                         f"{intervals.median(flat['weight']):8.2f}  {intervals.text(ratio)}")
    return lines
