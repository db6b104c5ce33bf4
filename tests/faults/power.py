"""R3: the power is cut under eight clients, on file systems of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults import rounds
from tests.faults.forked import Forked, Plant
from tests.faults.rounds import Ground
from tests.soak.turn import Turn

SIZE: Final = 256 << 20
"""Bytes of a disk; what was never written of it takes no memory."""
PER_GROUND: Final = 50
"""Cuts of one pair of disks, before a new one is made."""

STOP_SECONDS: Final = 0.05

_SHUTDOWN: Final = 0x8004587D
_WITHOUT_THE_LOG: Final = struct.pack("I", 2)


class Disk:
    """An ext4 file system on a loop device, whose power can be cut.

    EXT4_IOC_SHUTDOWN without a flush of the journal stops all that is written from that moment
    on; what was only in memory is then dropped, as it is when the power goes. The journal is
    committed by nobody but fsync, so that nothing becomes durable by luck.
    """

    def __init__(self, image: Path, mounted: Path) -> None:
        self.image = image
        self.path = mounted

    def make(self) -> None:
        """Make the file system, and mount it."""
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-F", str(self.image))
        self.mount()

    def mount(self) -> None:
        """Mount it; what its journal holds is replayed."""
        _run("mount", "-o", "loop,commit=600", str(self.image), str(self.path))

    def unmount(self) -> None:
        """Unmount it. Nobody may use it any more."""
        _run("umount", str(self.path))

    def cut(self) -> None:
        """Cut its power: from now on every change fails."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_THE_LOG)
        finally:
            os.close(descriptor)


@dataclass
class Powered(Ground):
    """A ground of one disk or two, which lose their power together."""

    disks: tuple[Disk, ...]

    @property
    def data(self) -> Path:
        return self.disks[0].path / "data"

    @property
    def database(self) -> Path:
        return self.disks[-1].path / "bindery.db"

    def fault(self, server: Forked) -> None:
        _stop(server.pid)
        for disk in self.disks:
            disk.cut()
        server.kill()
        for disk in self.disks:
            disk.unmount()
            disk.mount()


def _stop(pid: int) -> None:
    """Stop the program before its disks: a real cut ends both in one moment.

    An fsync that finds its commit of the journal given up may succeed on these disks, which a
    program of eight threads saw at one cut in five. What is stopped can tell nobody of that.
    A thread that waits in the kernel stops when it leaves it, so that fsyncs are cut in two.
    """
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end:
        stats = [one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/stat")]
        if all(stat.rpartition(")")[2].split()[0] in "TtD" for stat in stats):
            return


def missing() -> str | None:
    """Why no disk can be made here; None: it can."""
    if not shutil.which("mkfs.ext4"):
        return "mkfs.ext4 is not there"
    try:
        with ground(1):
            return None
    except subprocess.CalledProcessError as error:
        return f"{error.cmd[0]} says: {error.stderr.strip()}"


def play(turn: Turn) -> None:
    """Cut the power at random moments, the database beside the content and on its own disk."""
    cut(turn)


def cut(turn: Turn, *, plant: Plant | None = None, disks: int | None = None) -> None:
    """What `play` does, with a bug planted, and with this number of disks alone."""
    reason = missing()
    if reason:
        turn.skip(reason)
        return
    while not turn.over and not turn.found:
        several = disks or 1 + turn.next // PER_GROUND % 2
        with ground(several) as powered:
            rounds.on(turn, powered, rounds=PER_GROUND, plant=plant)


@contextmanager
def ground(disks: int) -> Iterator[Powered]:
    """New disks, kept in memory, for as long as the block lasts."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="bindery-power-", dir=memory) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        made = []
        for number in range(disks):
            disk = Disk(folder / f"disk-{number}.img", folder / f"disk-{number}")
            disk.make()
            stack.callback(disk.unmount)
            made.append(disk)
        yield Powered(folder, tuple(made))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
