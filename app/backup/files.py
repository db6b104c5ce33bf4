"""Files that are copied, hashed on the way, and durable before anybody relies on them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.storage.content import PIECE, Digest

_PRIVATE: Final = 0o600


class Copy:
    """A new file that is written piece by piece, and hashed meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._running = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Goes on with these bytes. Raises OSError."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._running.update(data)
        self._size += len(data)

    async def take(self, data: bytes) -> None:
        """The same, as a driver calls it."""
        self.write(data)

    @property
    def digest(self) -> Digest:
        """Of what was written until now."""
        return Digest(self._running.hexdigest(), self._size)


@contextmanager
def new_file(path: Path) -> Iterator[Copy]:
    """A file that was not there, which nobody else may read; synced when the block ends.

    Its folder is synced by whoever has made all files in it (`sync_folders`). Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, _PRIVATE)
    try:
        yield Copy(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copied(source: Path, target: Path) -> Digest:
    """Copies a file to one that was not there; gives the digest of what was read.

    Raises OSError.
    """
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with new_file(target) as copy:
            while piece := os.read(descriptor, PIECE):
                copy.write(piece)
    finally:
        os.close(descriptor)
    return copy.digest


def written(target: Path, data: bytes) -> Digest:
    """Makes a file of these bytes. Raises OSError."""
    with new_file(target) as copy:
        copy.write(data)
    return copy.digest


def synced(path: Path) -> Digest:
    """Makes a file durable that somebody else wrote, and its own user's alone. Raises OSError."""
    path.chmod(_PRIVATE)
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return Digest(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def sync_folders(root: Path) -> None:
    """Makes durable which files are in a folder, and in those below. Raises OSError."""
    for folder, _, _ in os.walk(root, topdown=False):
        sync_folder(Path(folder))


def sync_folder(folder: Path) -> None:
    """Makes durable which files are in a folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
