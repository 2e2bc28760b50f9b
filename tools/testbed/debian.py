# SPDX-License-Identifier: Apache-2.0
"""Debian roots of either suite, taken from the mirror that this host's own apt is configured with.

No address is written here: sources, keyring and proxy come from apt. A guest's suite replaces the
host's in the same archives (main, updates, security), which Debian mirrors serve for every suite.
"""
import os
import re
import subprocess
from pathlib import Path

from testbed import common
from testbed.common import ToolError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Of no use in a guest without devices; left out of the image, it boots and is copied faster.
GUEST_EXCLUDES = (
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*",
    *(f"*/lib/modules/*/kernel/drivers/{name}/*" for name in (
        "gpu", "media", "net/ethernet", "net/wireless", "infiniband", "iio", "staging", "scsi",
        "isdn", "usb", "mtd", "hwmon", "input", "video", "bluetooth", "hid", "ata", "i2c")),
    "*/lib/modules/*/kernel/sound/*",
)


def host_suite():
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    return "unknown"


def index_targets():
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SOURCESENTRY)"
    done = subprocess.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
                          capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines() if len(line.split()) == 4]


def keyring_of(source_entry):
    """The Signed-By of the stanza or line an archive was configured in, else Debian's keyring."""
    path = Path(source_entry.rsplit(":", 1)[0])
    text = path.read_text() if path.is_file() else ""
    found = re.search(r"^Signed-By:\s*(/\S+)|\[[^\]]*signed-by=(/[^\s\]]+)", text, re.I | re.M)
    keyring = next((g for g in found.groups() if g), None) if found else None
    return keyring if keyring and os.path.exists(keyring) else KEYRING


def sources(suite):
    """deb lines for the suite, from the host's configured Debian archives."""
    host = host_suite()
    lines = []
    for uri, release, component, entry in index_targets():
        if component == "main" and release in (host, f"{host}-updates", f"{host}-security"):
            line = f"deb [signed-by={keyring_of(entry)}] {uri} {release.replace(host, suite)} main"
            if line not in lines:
                lines.append(line)
    if not lines:
        raise ToolError(f"apt on this host has no Debian archive for {host}; "
                        "configure one in /etc/apt/sources.list.d and run apt-get update")
    return "\n".join(lines) + "\n"


def apt_options():
    """The host's proxy and transport settings, as options that mmdebstrap hands to apt."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    wanted = re.compile(r'^(Acquire::(?:[a-z]+::)?(?:Proxy|Verify-Peer|CaInfo|Retries)\S* ".+");$',
                        re.I | re.M)
    return [f"--aptopt={found}" for found in wanted.findall(dump)]


def make_root(directory, suite, packages, variant, excludes, log):
    """A Debian root of the suite with the packages, in directory (which must not exist or be empty)."""
    lines = sources(suite)
    listing = log.with_suffix(".list")
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(lines)
    argv = ["mmdebstrap", f"--variant={variant}", f"--include={','.join(packages)}",
            "--skip=check/qemu", *apt_options(),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in excludes),
            suite, str(directory), str(listing)]
    common.run(argv, log=log)


def missing(packages):
    form = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *packages]
    done = subprocess.run(form, capture_output=True, text=True)
    present = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return [name for name in packages if name not in present]


def install(packages):
    """Installs what this host lacks through apt-get, or says which command would."""
    names = missing(packages)
    if not names:
        return
    command = ["apt-get", "install", "-qqy", "--no-install-recommends", *names]
    if os.geteuid() != 0:
        raise ToolError("this host lacks packages; run: sudo " + " ".join(command))
    log = common.CACHE / "logs" / "apt.log"
    with common.stage(f"install {' '.join(names)}"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        common.run(["apt-get", "update", "-qq"], log=log, env=environment)
        common.run(command, log=log, env=environment)
