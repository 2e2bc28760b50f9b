# SPDX-License-Identifier: Apache-2.0
"""Makes the smallest bundle that crun takes, and runs the launch benchmark's program beside it."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

PROGRAM = "/usr/lib/tariff/examples/functions/noop"
BUNDLE = pathlib.Path("/run/bench-bundle")


def make_bundle():
    """What `crun spec` writes, with nothing but one static program in its root."""
    root = BUNDLE / "rootfs"
    root.mkdir(parents=True)
    shutil.copy(PROGRAM, root / "noop")
    subprocess.run(["crun", "spec"], cwd=BUNDLE, check=True)
    path = BUNDLE / "config.json"
    config = json.loads(path.read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/noop"]
    path.write_text(json.dumps(config))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--slow-every", type=int, default=10)
    options = parser.parse_args()
    make_bundle()
    done = subprocess.run(["/usr/lib/tariff/bench/launch", str(options.rounds),
                           str(options.slow_every), str(BUNDLE)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    print(json.dumps({**json.loads(done.stdout), "kernel": os.uname().release}))


if __name__ == "__main__":
    main()
