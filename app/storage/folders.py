"""Where the disk store's files are: `root/3f/3f…`, one folder per first two hex digits.

An fsync of a folder waits for whatever else changes in it; 256 keep uploads apart.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.storage import blob, syscalls
from app.storage.content import is_name

_PROBE: Final = "probe-"


def path_of(root: Path, name: str) -> Path:
    """Return the path of the blob `name`, which was checked."""
    return root / name[:2] / name


def probe_name() -> str:
    """Return a name in `root` that no blob has."""
    return _PROBE + secrets.token_hex(8)


def all_of(root: Path) -> Iterator[Path]:
    """Yield the folders that blobs are in, in the order of their names."""
    for number in range(256):
        yield root / f"{number:02x}"


def prepare(root: Path) -> None:
    """Make the folders that are missing, durably, and try a write.

    Raises `OSError` if the folder can't be made, or does not take a file; but a full disk is
    fine: the server has to start there, so that somebody can destroy what fills it.
    """
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    fresh = [folder for folder in (root, *root.parents) if not folder.exists()]
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in all_of(root):
        folder.mkdir(mode=0o700, exist_ok=True)
    for folder in (root, *(made.parent for made in fresh)):
        _sync(folder)
    for left in root.glob(f"{_PROBE}*"):
        left.unlink(missing_ok=True)
    try:
        blob.probe(root, probe_name())
    except OSError as error:
        if error.errno not in syscalls.FULL:
            raise


def check_room(root: Path, *, promised: int, reserve: int) -> None:
    """Raise `StorageFull` if less than `reserve` bytes are free after `promised` bytes less."""
    descriptor = syscalls.open_folder(root)
    try:
        blob.check_room(descriptor, promised=promised, reserve=reserve)
    finally:
        syscalls.close(descriptor)


def free_space(root: Path) -> int:
    """Return the bytes that may still be written."""
    descriptor = syscalls.open_folder(root)
    try:
        return syscalls.free_space(descriptor)
    finally:
        syscalls.close(descriptor)


def names_in(folder: Path) -> list[str]:
    """Return the names of the blobs in a folder, sorted."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if is_name(entry.name) and entry.name.startswith(folder.name)
    )


def size_of(path: Path) -> int | None:
    """Return the size of a blob in bytes, or `None` if there is none."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            return status.st_size
    return None


def _sync(folder: Path) -> None:
    descriptor = syscalls.open_folder(folder)
    try:
        syscalls.sync_folder(descriptor)
    finally:
        syscalls.close(descriptor)
