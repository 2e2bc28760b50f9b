# SPDX-License-Identifier: Apache-2.0
"""How soon the agent answers when every class CPU is hogged (tests/guest/lib/overload.py)."""
import argparse
import json
import os

from lib.overload import STARVED, TIMES, measure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=STARVED)
    parser.add_argument("--times", type=int, default=TIMES)
    options = parser.parse_args()
    print(json.dumps({"kernel": os.uname().release, **measure(options.jobs, options.times)}))


if __name__ == "__main__":
    main()
