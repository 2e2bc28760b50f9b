# SPDX-License-Identifier: Apache-2.0
"""Boots an image in QEMU, runs one command in it, and always ends."""
import contextlib
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from testbed import common
from testbed.common import ToolError, say

TIMEOUT_STATUS = 124  # as timeout(1)
LOST_STATUS = 125     # the guest ended without telling the command's status

# The kernel rewrites its own instructions (static keys) behind a breakpoint. QEMU's multi-threaded
# emulation of two CPUs now and then runs the breakpoint after the kernel has taken its handler away
# (seen once in about 150 boots, 1.9 s after the start): the guest panics, for no fault of its own.
EMULATOR_FAULT = b"int3: 0000 ["
BOOTS = 3

# A boot sector that ends QEMU through isa-debug-exit: mov al,0x10; out 0xf4,al; hlt.
PROBE = bytes((0xB0, 0x10, 0xE6, 0xF4, 0xF4)) + bytes(505) + b"\x55\xaa"
PROBE_STATUS = (0x10 << 1) | 1


def kvm_works():
    """True if KVM really runs code here, and at speed: a device node alone says nothing.

    Inside some virtual machines KVM opens, but the host's CPU model is refused, or SeaBIOS takes
    five seconds instead of a tenth of one; emulation is faster then.
    """
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(PROBE)
        disk.flush()
        try:
            done = subprocess.run(
                ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "16", "-nodefaults",
                 "-display", "none", "-device", "isa-debug-exit,iobase=0xf4",
                 "-drive", f"file={disk.name},format=raw,if=floppy,snapshot=on"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=2)
        except (subprocess.TimeoutExpired, OSError):
            return False
    return done.returncode == PROBE_STATUS


def parse_size(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    try:
        return int(text[:-1]) * units[text[-1].upper()] if text[-1:].isalpha() else int(text)
    except (KeyError, ValueError):
        raise ToolError(f"size {text!r}: use a number with K, M or G, such as 512M") from None


class Guest:
    """One guest. options: suite, share, share_writable, memory, cpus, swap (see tools/vm)."""

    def __init__(self, image, options):
        self.image = image
        self.options = options
        self.work = Path(tempfile.mkdtemp(prefix="tariff-vm-"))
        self.console = self.work / "console.log"
        self.append = ["console=ttyS0", "root=/dev/vda", "rw", "panic=-1", "loglevel=5", "nokaslr",
                       "mitigations=off", "random.trust_cpu=on", "no_timer_check"]
        self.argv = ["qemu-system-x86_64", "-M", "q35,sata=off,smbus=off,usb=off", "-nodefaults",
                     "-no-reboot", "-display", "none", "-smp", str(options.cpus),
                     "-m", str(parse_size(options.memory) >> 20),
                     "-kernel", str(image / "vmlinux"), "-initrd", str(image / "initrd"),
                     "-drive", f"file={image / 'root.ext4'},format=raw,if=virtio,snapshot=on,"
                     "cache=unsafe", "-device", "virtio-serial-pci"]
        if kvm_works():
            self.argv += ["-accel", "kvm", "-cpu", "host"]
        else:
            self.argv += ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"]
        self.add_swap(options.swap)
        if options.share:
            self.add_share(Path(options.share).resolve(), options.share_writable)

    def add_swap(self, swap):
        if swap == "none":
            return
        if swap.startswith("zram:"):
            self.append.append(f"tariff.swap=zram:{parse_size(swap[5:])}")
            return
        disk = self.work / "swap"
        with open(disk, "wb") as out:
            out.truncate(parse_size(swap))
        os.chmod(disk, 0o600)
        common.run(["mkswap", str(disk)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.argv += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
        self.append.append("tariff.swap=disk")

    def add_share(self, directory, writable):
        if not directory.is_dir():
            raise ToolError(f"--share {directory}: not a directory")
        mode = "rw" if writable else "ro"
        readonly = "" if writable else ",readonly=on"
        self.argv += ["-virtfs", f"local,path={directory},mount_tag=share,security_model=none,"
                      f"multidevs=remap{readonly}"]
        self.append.append(f"tariff.share={mode}")

    def close(self, keep_console):
        kept = None
        if keep_console and self.console.exists():
            logs = common.CACHE / "logs"
            logs.mkdir(parents=True, exist_ok=True)
            kept = logs / f"console-{self.options.suite}-{os.getpid()}.log"
            shutil.copy(self.console, kept)
        shutil.rmtree(self.work, ignore_errors=True)
        return kept

    def shell(self):
        self.append += ["systemd.unit=multi-user.target"]
        self.argv += ["-chardev", "stdio,id=tty,mux=on,signal=off", "-serial", "chardev:tty",
                      "-mon", "chardev=tty"]
        say("log out with `poweroff`; Ctrl-A X ends the guest at once")
        done = subprocess.run([*self.argv, "-append", " ".join(self.append)])
        return done.returncode

    def run(self, command, environment, timeout, poweroff=None, again=False):
        """Runs the command; returns its status. Streams to our stdout and stderr.

        A guest that the emulator broke is booted again, if its command had said nothing yet or may
        be run twice (`again`).
        """
        self.append += ["systemd.unit=tariff-vm.target", "systemd.show_status=error",
                        "systemd.mask=serial-getty@ttyS0.service"]
        if poweroff is not None:
            self.append.append("tariff.poweroff")
        script = self.work / "command"
        script.write_text(shell_script(command, environment, bool(self.options.share)))
        for left in reversed(range(BOOTS)):
            status, heard = self.boot(script, timeout, poweroff)
            retry = status == LOST_STATUS and (again or not heard) and self.emulator_broke()
            if not retry or not left:
                return status
            say("the emulator broke the guest's kernel (int3); it is booted again")

    def emulator_broke(self):
        return self.console.exists() and EMULATOR_FAULT in self.console.read_bytes()

    def boot(self, script, timeout, poweroff):
        """One boot: the command's status, and whether it wrote anything."""
        argv = [*self.argv, "-append", " ".join(self.append), "-serial", f"file:{self.console}",
                "-fw_cfg", f"name=opt/tariff/command,file={script}"]
        ends = {}
        with contextlib.ExitStack() as stack:
            inherited = []
            for name in ("out", "err", "status"):
                ours, theirs = socket.socketpair()
                ends[name] = stack.enter_context(ours)
                inherited.append(stack.enter_context(theirs))
                argv += ["-chardev", f"socket,id={name},fd={theirs.fileno()}",
                         "-device", f"virtserialport,chardev={name},name={name}"]
            qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    pass_fds=[end.fileno() for end in inherited])
            for end in inherited:
                end.close()
            relay = Relay(qemu, ends, timeout, poweroff)
            try:
                return relay.status(), relay.heard
            finally:
                qemu.kill()
                qemu.wait()


class Relay:
    """Carries a guest's output to ours until its status came or its time is over."""

    def __init__(self, qemu, ends, timeout, poweroff):
        self.qemu = qemu
        self.ends = ends
        self.deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.poweroff = poweroff
        self.heard = False

    def status(self):
        told = b""
        with selectors.DefaultSelector() as selector:
            for name, end in self.ends.items():
                end.setblocking(False)
                selector.register(end, selectors.EVENT_READ, name)
            while not told.endswith(b"\n"):
                left = self.deadline - time.monotonic()
                if left <= 0:
                    say(f"the guest was ended after {self.timeout} s (--timeout)")
                    return TIMEOUT_STATUS
                for key, _ in selector.select(left):
                    data = key.fileobj.recv(65536)
                    if not data:
                        say("the guest ended before its command did")
                        return LOST_STATUS
                    if key.data == "status":
                        told += data
                    else:
                        self.pass_on(key.data, data)
        self.drain()
        code = int(told.split()[1])
        return self.wait_for_poweroff(code) if self.poweroff is not None else code

    def pass_on(self, name, data):
        self.heard = True
        stream = sys.stdout if name == "out" else sys.stderr
        stream.buffer.write(data)
        stream.flush()

    def drain(self):
        """The guest's write to a port returns when QEMU has passed it on: all of it is here."""
        for name in ("out", "err"):
            with contextlib.suppress(BlockingIOError):
                while data := self.ends[name].recv(65536):
                    self.pass_on(name, data)

    def wait_for_poweroff(self, code):
        start = time.monotonic()
        try:
            self.qemu.wait(min(self.poweroff, max(0.0, self.deadline - start)))
        except subprocess.TimeoutExpired:
            say(f"the guest did not power off within {self.poweroff} s")
            return TIMEOUT_STATUS
        say(f"the guest powered off in {time.monotonic() - start:.1f} s")
        return code


def shell_script(command, environment, shared):
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    lines.append("cd /mnt/share" if shared else "cd /root")
    lines.append("exec " + shlex.join(command))
    return "\n".join(lines) + "\n"


def end_on_signals():
    """Ctrl-C and TERM unwind through `finally`, so that no guest is left behind."""
    def leave(number, _):
        raise SystemExit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
