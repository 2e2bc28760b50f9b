# SPDX-License-Identifier: Apache-2.0
"""The freeze benchmark's table."""

JOBS = {"single": "one loop", "threads": "64 threads", "bomb": "fork bomb"}
WAYS = {"wait": "the request alone", "raise-first": "raise first",
        "request-first": "request first", "reset-on-fork": "the same, reset on fork"}


def table(figures):
    lines = [f"a job behind two hogs on each of {figures['cpus']} emulated CPUs, "
             f"{figures['suite']} {figures['kernel']}; its own code above its class:", "",
             f"{'':8} {'job':10} {'way':24} {'done':>7} {'p50 ms':>8} {'max ms':>8} "
             f"{'ran in':>7} {'p50 us':>7} {'max us':>7}"]
    for row in figures["rows"]:
        lines.append(f"{row['goal']:8} {JOBS[row['job']]:10} {WAYS[row['way']]:24} "
                     f"{row['reached']:3}/{row['n']:<3} {row['ms_p50']:8.1f} {row['ms_max']:8.1f} "
                     f"{row['ran_above']:3}/{row['n']:<3} {row['own_us_p50']:7.0f} "
                     f"{row['own_us_max']:7.0f}")
    return "\n".join(lines)
