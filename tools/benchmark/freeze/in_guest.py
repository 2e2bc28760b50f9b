# SPDX-License-Identifier: Apache-2.0
"""How long a starved job takes to be frozen or killed, and what it does above its class meanwhile.
Without the agent: the jobs are the program's own, and so are those that starve them."""
import argparse
import json
import os
import subprocess

PROGRAM = "/usr/lib/tariff/bench/freeze"
UNITS = ("tariffd.socket", "tariffd.service")  # with it goes what it changed on the machine


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    subprocess.run(["systemctl", "stop", *UNITS], check=True)
    done = subprocess.run([PROGRAM, f"--rounds={options.rounds}"], check=True,
                          stdout=subprocess.PIPE, text=True)
    print(json.dumps({"kernel": os.uname().release, **json.loads(done.stdout)}))


if __name__ == "__main__":
    main()
