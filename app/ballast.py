"""Room on the disk that is kept back for what makes room.

On a disk without a free byte SQLite can commit nothing: no binary could be destroyed any more, and
no server started. So a file beside the database occupies some room. It gives that up, step by
step, to the start and to those units of work that end a shortage or clean up; until it has taken
all of it back, nothing else is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.rules.failures import DatabaseUnavailable

STEP: Final = 1024 * 1024
"""Bytes that are given up at once: more than what destroying a few binaries writes."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Ballast:
    """The ballast of one process; without a file it is always complete, and gives nothing."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._size = 0
        self._held = 0
        self._changing = threading.Lock()

    @contextlib.contextmanager
    def kept(self, path: Path, *, size: int) -> Iterator[None]:
        """Keeps a file of up to `size` bytes while the block lasts; it outlives the process.

        Where less than a step is free, one is given up at once. A disk that is too full for a new
        file gets none. Raises DatabaseUnavailable.
        """
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in FULL:
                raise DatabaseUnavailable(f"{path} can't be used: {error.strerror}.") from error
            yield
            return
        try:
            self._file, self._size, self._held = file, size, os.fstat(file).st_size
            if self._held > size:
                self._cut(size)
            room = os.fstatvfs(file)
            if room.f_bavail * room.f_frsize < STEP:
                self.give()
            yield
        finally:
            os.close(file)
            self._file, self._size, self._held = None, 0, 0

    @property
    def lacking(self) -> int:
        """The bytes that were given up, and not taken back."""
        return self._size - self._held

    def give(self) -> bool:
        """Gives up a step, or what is left; False: nothing is left. It blocks."""
        with self._changing:
            if not self._held:
                return False
            self._cut(max(0, self._held - STEP))
            return True

    def take_back(self) -> bool:
        """Takes back as many steps as there is room for; True: it is complete. It blocks.

        Raises OSError where something else than room is missing.
        """
        with self._changing:
            while self._file is not None and self.lacking:
                step = min(STEP, self.lacking)
                try:
                    _occupy(self._file, self._held, step)
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    self._cut(self._held)
                    return False
                self._held += step
            return True

    def _cut(self, size: int) -> None:
        assert self._file is not None
        os.ftruncate(self._file, size)
        # A file system may free the room only with its next transaction.
        os.fsync(self._file)
        self._held = size


def _occupy(file: int, start: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, start, size)
    elif os.pwrite(file, bytes(size), start) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


ballast = Ballast()
"""The one ballast of this process."""
