# SPDX-License-Identifier: Apache-2.0
"""The host's side of `stalls`: builds the probe, runs measure.py in a plain guest of two CPUs, makes
a table. figures() and table() are all that a caller needs."""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from testbed import common, guest, image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OPERATIONS = ("mkdir", "clone3", "rmdir", "subtree_control")
TIMEOUT = 900


def figures(suite, blocks=3, seconds=6):
    """What measure.py prints, from a guest without our packages."""
    place, lock = image.image(suite, [])
    with lock, tempfile.TemporaryDirectory(prefix="tariff-stalls-") as share:
        # Static: one program for both suites.
        sources = [HERE / "probe.cpp", ROOT / "base/fd.cpp", ROOT / "base/check.cpp"]
        subprocess.run(["c++", "-std=c++20", "-O2", "-static", f"-I{ROOT}", "-o", f"{share}/probe",
                        *map(str, sources)], check=True)
        (Path(share) / "measure.py").write_bytes((HERE / "measure.py").read_bytes())
        machine = guest.Guest(place, argparse.Namespace(
            suite=suite, share=share, share_writable=True, memory="2G", cpus=2, swap="none"))
        status = 1
        try:
            command = f"python3 measure.py --blocks {blocks} --seconds {seconds} > figures.json"
            status = machine.run(["sh", "-c", f"cd /mnt/share && {command}"], {}, TIMEOUT, None)
        finally:
            kept = machine.close(keep_console=status != 0)
        if status != 0:
            raise common.ToolError(f"stalls ended with status {status}; console: {kept}")
        return json.loads((Path(share) / "figures.json").read_text())


def table(result):
    """Markdown: p50 / p99 / max in milliseconds per operation and arm."""
    lines = ["| arm | " + " | ".join(OPERATIONS) + " | over 100 ms | ordinary process |",
             "|---" * (len(OPERATIONS) + 3) + "|"]
    for arm, row in result["arms"].items():
        cells = ["{p50_ms:.1f} / {p99_ms:.0f} / {max_ms:.0f}".format(**row[name])
                 for name in OPERATIONS]
        late = sum(row[name]["over_100_ms"] for name in OPERATIONS)
        count = sum(row[name]["n"] for name in OPERATIONS)
        cells.append(f"{late} of {count}")
        cells.append(f"{row['ordinary']['rounds']} rounds, longest "
                     f"{row['ordinary']['longest_ms']:.0f}")
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
