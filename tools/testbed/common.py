# SPDX-License-Identifier: Apache-2.0
"""What every tool here shares: where the tree and the cache are, stages, content hashes, locks.

The cache is outside the tree (${XDG_CACHE_HOME:-~/.cache}/tariff). An entry is named by the hash of
what it was made from, is made under an exclusive lock and used under a shared one; so two tools may
run at once, and pruning never takes an entry away from a running guest.
"""
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tariff"
PACKAGES = ROOT / "tools" / "packages"
SUITES = ("bookworm", "trixie")


class ToolError(Exception):
    """Something outside this program failed; the text says what, on what, and what to do."""


def say(text):
    print(f"tariff: {text}", file=sys.stderr, flush=True)


class stage:
    """Says what starts and how long it took: `with stage("build"): ...`."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        say(f"{self.name} ...")
        self.start = time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        self.seconds = time.monotonic() - self.start
        say(f"{self.name}: {'failed' if kind else 'done'} in {self.seconds:.1f} s")


def ccache(folder):
    """The compiler cache's environment: another checkout of the same sources hits it, too."""
    return {"CCACHE_DIR": str(folder), "CCACHE_MAXSIZE": "4G", "CCACHE_BASEDIR": str(ROOT),
            "CCACHE_NOHASHDIR": "1"}


def need_root(what):
    if os.geteuid() != 0:
        raise ToolError(f"{what} needs root (it makes a Debian root and mounts); run it with sudo")


def run(argv, log=None, show=None, **options):
    """Runs a program to its end. A failure shows what it said last, or what matches show first."""
    if log is None:
        status = run_whole(argv, **options)
        if status != 0:
            raise ToolError(f"{argv[0]} ended with status {status}")
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        status = run_whole(argv, stdout=out, stderr=out, **options)
    if status != 0:
        said = matching(log, show) or tail(log)
        raise ToolError(f"{argv[0]} ended with status {status}; log {log}:\n{said}")


def run_whole(argv, **options):
    """Runs a program in a session of its own, which ends with us: a package build that went on
    alone would write into the next one's."""
    program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        return program.wait()
    except BaseException:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        raise


def tail(path, lines=40):
    text = Path(path).read_text(errors="replace") if Path(path).exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def matching(path, pattern, context=4):
    """The lines of a log that say what is wrong, each with a few that follow."""
    if not pattern:
        return ""
    lines = Path(path).read_text(errors="replace").splitlines()
    hits = [at for at, line in enumerate(lines) if re.search(pattern, line)][:5]
    return "\n".join("    " + line for at in hits for line in lines[at:at + context])


def digest(*parts):
    """Hash of strings and of files' names, modes and contents (Path = file or whole directory)."""
    state = hashlib.sha256()

    def add(data):
        state.update(str(len(data)).encode() + b":" + data)

    for part in parts:
        if not isinstance(part, Path):
            add(str(part).encode())
            continue
        files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
        for path in files:
            if "__pycache__" not in path.parts:
                add(f"{path.relative_to(part)} {path.stat().st_mode:o}".encode())
                add(path.read_bytes())
    return state.hexdigest()[:16]


def package_list(name, suite):
    """Reads tools/packages/NAME.txt: comments out, other suites' lines out."""
    names = []
    for line in (PACKAGES / f"{name}.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and (len(words) == 1 or words[1] == f"[{suite}]"):
            names.append(words[0])
    return names


class Lock:
    """A flock on a file of the cache; exclusive to make an entry, shared to use it."""

    def __init__(self, name, shared=False, wait=True):
        path = CACHE / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.fd, mode | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(self.fd)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def entry(kind, name, make):
    """The directory CACHE/kind/name, made by make(directory) if absent, and a shared lock on it.

    It is made beside its place and renamed when complete: a broken attempt is never used.
    """
    place = CACHE / kind / name
    while True:
        lock = Lock(f"{kind}-{name}", shared=True)
        if place.exists():
            os.utime(place)
            return place, lock
        lock.__exit__()
        with Lock(f"{kind}-{name}"):
            if place.exists():
                continue
            part = place.with_name(name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            try:
                make(part)
                part.rename(place)
            finally:
                shutil.rmtree(part, ignore_errors=True)


def prune(kind, prefix, keep, age=0):
    """Removes all but the `keep` newest entries whose name starts with prefix; none in use, and none
    that was used within `age` seconds."""
    folder = CACHE / kind
    if not folder.exists():
        return
    places = [p for p in folder.iterdir() if p.name.startswith(prefix) and p.suffix != ".part"]
    places.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    for place in places[keep:]:
        if time.time() - place.stat().st_mtime < age:
            continue
        try:
            with Lock(f"{kind}-{place.name}", wait=False):
                shutil.rmtree(place, ignore_errors=True)
        except BlockingIOError:
            pass
