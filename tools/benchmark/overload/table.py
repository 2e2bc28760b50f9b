# SPDX-License-Identifier: Apache-2.0
"""The overload benchmark's table: median and maximum against what is promised for the mode."""
import statistics

NAMES = {"status_command_s": "tariffctl status, with its process's start",
         "status_connection_s": "Status on an open connection",
         "cancel_s": "Cancel sent -> the job's end is known"}
PROMISED = {"reserved": {"status_command_s": 1.0, "cancel_s": 0.1},
            "shared": {"status_connection_s": 3.0, "cancel_s": 0.25}}


def table(figures):
    mode = "reserved" if figures["cpus"] > 1 else "shared"
    lines = [f"with {figures['jobs']} starved jobs, a fork bomb and top-class loops on every class "
             f"CPU, {figures['suite']} {figures['kernel']}, {figures['cpus']} emulated CPUs "
             f"({mode})", "", f"{'':44} {'n':>3} {'median s':>9} {'max s':>7}  promised"]
    for key, name in NAMES.items():
        times = figures[key]
        promised = PROMISED[mode].get(key)
        said = "" if promised is None else (
            f"under {promised} s: {'met' if max(times) < promised else 'missed'}")
        lines.append(f"{name:44} {len(times):3} {statistics.median(times):9.3f} "
                     f"{max(times):7.3f}  {said}")
    return "\n".join(lines)
