# SPDX-License-Identifier: Apache-2.0
"""The launch benchmark's table: times in milliseconds, ratios with their intervals, aims."""
import intervals

BLOCKS = 10
FLOOR = "posix_spawn"
SLOW = ("systemd-run --scope", "systemd-run --wait", "systemd-run --wait, net of its client's start",
        "StartTransientUnit", "crun run")
FIRST_RAN, RESULT = "tariff: place -> first ran", "tariff: place -> result"


def row(name, values, ratio):
    return (f"{name:46} {intervals.median(values) / 1e3:8.2f} "
            f"{intervals.quantile(values, 0.99) / 1e3:8.2f}  {len(values):5}  {ratio}")


def table(figures):
    samples = {name: list(values) for name, values in figures["samples"].items()}
    client = intervals.median(samples["systemd-run --version"])
    samples[SLOW[2]] = [value - client for value in samples["systemd-run --wait"]]
    blocks = {name: intervals.in_blocks(values, BLOCKS) for name, values in samples.items()
              if len(values) >= BLOCKS}
    lines = [f"launch of a static no-op, {figures['suite']} {figures['kernel']}, "
             f"{figures['cpus']} emulated CPUs; ratio of medians to {FLOOR} [95 % interval]", "",
             f"{'':46} {'p50 ms':>8} {'p99 ms':>8}  {'n':>5}  ratio"]
    for name in (FLOOR, FIRST_RAN, RESULT, *SLOW):
        ratio = intervals.ratio(blocks[name], blocks[FLOOR], 0.5)
        lines.append(row(name, samples[name], intervals.text(ratio)))
    lines += ["", "split of place -> result:"]
    lines += [row("  " + name.removeprefix("hop: "), values, "")
              for name, values in samples.items() if name.startswith("hop: ")]
    lines += ["", "sustained, a second: tariff " +
              ", ".join(f"{value:.0f}" for value in samples["rate: tariff"]) +
              f"; {FLOOR}, one after the other, " +
              ", ".join(f"{value:.0f}" for value in samples["rate: posix_spawn"]), ""]
    return "\n".join(lines + aims(blocks))


def aims(blocks):
    """Each aim of the project for a launch, and whether this run shows it."""
    wanted = [(f"{FIRST_RAN} at most 2x {FLOOR}", FIRST_RAN, FLOOR, 2, False),
              (f"{RESULT} at most 3x {FLOOR}", RESULT, FLOOR, 3, False),
              (f"systemd-run --wait at least 20x {RESULT}", SLOW[1], RESULT, 20, True),
              (f"crun run at least 5x {RESULT}", SLOW[4], RESULT, 5, True)]
    lines = []
    for what, upper, lower, aim, at_least in wanted:
        ratio = intervals.ratio(blocks[upper], blocks[lower], 0.5)
        lines.append(f"{intervals.verdict(ratio, aim, at_least):9}  {what}: {intervals.text(ratio)}")
    return lines
