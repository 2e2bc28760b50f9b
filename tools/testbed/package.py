# SPDX-License-Identifier: Apache-2.0
"""This tree's .debs, for either suite, at native speed and only when the sources changed.

The sources are copied to build/package/SUITE (what git knows or would add, uncommitted changes
included) and hashed there, so what is built is what was hashed. The host's own suite is built on the
host, the other in a cached Debian root of that suite. The .debs go to the cache: debs/SUITE-HASH.
"""
import os
import shutil
import subprocess
from pathlib import Path

from testbed import common, debian

BUILD = common.ROOT / "build" / "package"

# No part of a package: a change there builds nothing.
NOT_PACKAGED = (".ci/", "docs/", "tests/", "tools/")
PACKAGED_ALL_THE_SAME = ("tools/ctl/", "tools/dev-ca", "docs/man/", "docs/prometheus/",
                         "docs/grafana/")


def source_files():
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=common.ROOT, capture_output=True)
    if listing.returncode == 0:
        names = [os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    else:  # an unpacked archive
        names = [str(p.relative_to(common.ROOT)) for p in common.ROOT.rglob("*")
                 if p.is_file() and p.relative_to(common.ROOT).parts[0] != "build"]
    return [name for name in names if wanted(name) and (common.ROOT / name).is_file()]


def wanted(name):
    if name.startswith(PACKAGED_ALL_THE_SAME):
        return True
    if name.startswith("tools/benchmark/") and not name.endswith(".py"):
        return True
    return not name.startswith(NOT_PACKAGED) and ("/" in name or name == "CMakeLists.txt")


def copy_sources(place):
    """Makes place the same as the sources; what did not change keeps its time, for ninja."""
    names = source_files()
    for name in names:
        source, target = common.ROOT / name, place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
        if target.stat().st_mode != source.stat().st_mode:
            shutil.copymode(source, target)
    keep = set(names)
    for path in list(place.rglob("*")):
        name = str(path.relative_to(place))
        if not name.startswith("obj-") and path.is_file() and name not in keep:
            path.unlink()


def build(suite):
    """The suite's .debs of this tree: paths."""
    place = BUILD / suite / "tariff"
    with common.Lock(f"package-{common.digest(str(place))}"):
        place.mkdir(parents=True, exist_ok=True)
        copy_sources(place)
        key = common.digest(suite, place_digest(place), "1")
        debs, lock = common.entry("debs", f"{suite}-{key}", lambda out: make(suite, place, out))
        lock.__exit__()
        common.prune("debs", f"{suite}-", keep=4, age=3600)
    return sorted(debs.glob("*.deb"))


def place_digest(place):
    parts = []
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.is_file() and not name.startswith("obj-"):
            parts += [name, path]
    return common.digest(*parts)


def make(suite, place, out):
    with common.stage(f"{suite}: packages"):
        for old in place.parent.glob("*.*"):
            old.unlink()
        ccache = common.CACHE / "ccache"
        ccache.mkdir(parents=True, exist_ok=True)
        log = common.CACHE / "logs" / f"package-{suite}.log"
        if suite == debian.host_suite():
            debian.install(common.package_list("build", suite))
            argv = ["sh", "-c", BUILD_SCRIPT, "sh", str(place)]
            common.run(argv, log=log, env=environment(ccache), show=WRONG)
        else:
            make_in_root(suite, place, ccache, log)
        debs = sorted(place.parent.glob("*.deb"))
        if not debs:
            raise common.ToolError(f"no .deb was made; log {log}:\n{common.tail(log)}")
        for deb in debs:
            shutil.copy(deb, out)


# What a compiler, cmake, ninja or debhelper says of a failure.
WRONG = r"error:|CMake Error|^FAILED|undefined reference|dh_\w+: "

# Symbols are not wanted in a guest; without them compiling takes half the time.
BUILD_SCRIPT = """set -e
cd "$1"
exec dpkg-buildpackage -b -nc -us -uc --no-sign
"""

ROOT_SCRIPT = """set -e
mount --bind "$2" "$1/build"
mount --bind "$3" "$1/ccache"
mount -t proc proc "$1/proc"
exec chroot "$1" sh -c "$4" sh /build/tariff
"""


def environment(ccache):
    return {
        "PATH": "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent", **common.ccache(ccache),
        "DEB_BUILD_OPTIONS": f"nocheck noautodbgsym terse parallel={os.cpu_count()}",
        "DEB_CFLAGS_APPEND": "-g0", "DEB_CXXFLAGS_APPEND": "-g0",
    }


def make_in_root(suite, place, ccache, log):
    packages = common.package_list("build", suite)

    def make_build_root(directory):
        common.need_root(f"building packages for {suite}")
        with common.stage(f"{suite}: Debian root for building"):
            debian.make_root(directory / "root", suite, packages, "buildd",
                             ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"),
                             common.CACHE / "logs" / f"build-{suite}.log")
            for name in ("build", "ccache"):
                (directory / "root" / name).mkdir()
        common.prune("build", f"{suite}-", keep=1)

    key = common.digest(suite, *packages, "1")
    root, lock = common.entry("build", f"{suite}-{key}", make_build_root)
    with lock:
        argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", ROOT_SCRIPT, "sh",
                str(Path(root) / "root"), str(place.parent), str(ccache), BUILD_SCRIPT]
        common.run(argv, log=log, env=environment("/ccache"), show=WRONG)
