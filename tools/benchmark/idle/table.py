# SPDX-License-Identifier: Apache-2.0
"""The idle benchmark's table."""

MOST_MIB = 20
MOST_WAKE_UPS = 2


def table(figures):
    jobs = figures["jobs"]
    states = {"empty": "no job", "full": f"{jobs} sleeping jobs", "after": "after they ended"}
    lines = [f"at rest, {figures['suite']} {figures['kernel']}, {figures['cpus']} emulated CPUs", "",
             f"{'':24} {'agent MiB':>10} {'launcher MiB':>13} {'sum MiB':>8} {'wake-ups/s':>11}"]
    for key, name in states.items():
        rows = list(figures[key].values())
        memory = [row["resident_kib"] / 1024 for row in rows]
        wake_ups = sum(row["wake_ups_a_second"] for row in rows)
        lines.append(f"{name:24} {memory[0]:10.1f} {memory[1]:13.1f} {sum(memory):8.1f} "
                     f"{wake_ups:11.2f}")
    full = list(figures["full"].values())
    memory = sum(row["resident_kib"] for row in full) / 1024
    wake_ups = sum(row["wake_ups_a_second"] for row in full)
    lines += ["", f"{said(memory < MOST_MIB)}  under {MOST_MIB} MiB with {jobs} jobs: {memory:.1f}",
              f"{said(wake_ups <= MOST_WAKE_UPS)}  at most {MOST_WAKE_UPS} wake-ups a second: "
              f"{wake_ups:.2f}"]
    threads = {name: rate for row in full for name, rate in row["by_thread"].items()}
    lines += ["", "wake-ups a second by thread: " + ", ".join(
        f"{name} {rate:.2f}" for name, rate in sorted(threads.items(), key=lambda item: -item[1]))]
    return "\n".join(lines)


def said(true):
    return "met   " if true else "missed"
