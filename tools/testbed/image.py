# SPDX-License-Identifier: Apache-2.0
"""The disk, kernel and first root of a guest, in two cached layers.

base/SUITE-HASH     a Debian root (mmdebstrap): the guest's package list. A minute, rarely.
image/SUITE-HASH    root.ext4, vmlinux, initrd: base + our .debs + the files of guest/. Seconds.
"""
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

from testbed import common, debian

GUEST = Path(__file__).resolve().parent / "guest"

# In the order of loading; what they depend on is found in modules.dep.
MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "9p", "9pnet_virtio",
           "virtio_console", "qemu_fw_cfg", "zram")


def base(suite):
    """The base root of a suite: (directory, lock)."""
    packages = common.package_list("guest", suite)
    key = common.digest(suite, *packages, *debian.GUEST_EXCLUDES, "1")

    def make(directory):
        common.need_root("building a guest")
        log = common.CACHE / "logs" / f"base-{suite}.log"
        with common.stage(f"{suite}: Debian root for the guest"):
            debian.make_root(directory / "root", suite, packages, "minbase",
                             debian.GUEST_EXCLUDES, log)
        common.prune("base", f"{suite}-", keep=2)

    return common.entry("base", f"{suite}-{key}", make)


def image(suite, debs):
    """The bootable image of a suite with the packages installed: (directory, lock)."""
    root, base_lock = base(suite)
    with base_lock:
        # The base is named by its content; so a hash of its name stands for it.
        key = common.digest(root.name, GUEST, Path(__file__), *(Path(deb) for deb in debs))

        def make(directory):
            common.need_root("building a guest")
            with common.stage(f"{suite}: guest image"):
                assemble(suite, root / "root", directory, debs)
            common.prune("image", f"{suite}-", keep=2)

        return common.entry("image", f"{suite}-{key}", make)


def assemble(suite, root, directory, debs):
    work = directory / "work"
    work.mkdir()
    log = common.CACHE / "logs" / f"image-{suite}.log"
    common.run(["unshare", "-m", "--propagation", "private", GUEST / "assemble", root, work,
                directory / "root.ext4", GUEST, *debs], log=log)
    work.rmdir()
    kernel = next((root / "boot").glob("vmlinuz-*"))
    (directory / "vmlinux").write_bytes(unpacked(kernel.read_bytes()))
    make_initrd(root, kernel.name.removeprefix("vmlinuz-"), directory)


def unpacked(kernel):
    """The ELF kernel inside a bzImage, so that no emulated CPU has to decompress it (3 s of xz).

    Offsets are those of Documentation/arch/x86/boot.rst: setup_sects at 0x1f1, payload_offset and
    payload_length at 0x248. What is packed in another way is booted as it is.
    """
    start = ((kernel[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    payload = kernel[start + offset:start + offset + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        # After the frame comes its size in 4 bytes, which makes zstd end with a complaint.
        return subprocess.run(["zstd", "-dcq"], input=payload, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout
    return kernel


def load_order(tree):
    """The modules' files relative to tree, each after what it depends on."""
    depends = {}
    for line in (tree / "modules.dep").read_text().splitlines():
        name, needs = line.split(":")
        depends[name] = needs.split()
    named = {Path(p).name.split(".ko")[0].replace("-", "_"): p for p in depends}
    order = []

    def add(path):
        for need in depends[path]:
            add(need)
        if path not in order:
            order.append(path)

    for module in MODULES:
        if module in named:  # else it is built into this suite's kernel
            add(named[module])
    return order


def make_initrd(root, version, directory):
    tree = root / "usr" / "lib" / "modules" / version
    work = directory / "initrd.d"
    for folder in ("bin", "modules"):
        (work / folder).mkdir(parents=True)
    shutil.copy(root / "bin" / "busybox", work / "bin" / "busybox")
    shutil.copy(GUEST / "initrd-init", work / "init")
    names = []
    for path in load_order(tree):
        data = (tree / path).read_bytes()
        if path.endswith(".xz"):
            data = lzma.decompress(data)
        names.append(Path(path).name.removesuffix(".xz"))
        (work / "modules" / names[-1]).write_bytes(data)
    (work / "modules" / "order").write_text("\n".join(names) + "\n")
    listing = "\n".join(str(p.relative_to(work)) for p in sorted(work.rglob("*")))
    with open(directory / "initrd", "wb") as out:
        subprocess.run([root / "bin" / "busybox", "cpio", "-o", "-H", "newc"], cwd=work,
                       input=listing.encode(), stdout=out, stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(work)
