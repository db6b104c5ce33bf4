"""One blob on a disk: how it is written, and how it is read. Everything here blocks."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

from app.rules.failures import ContentCorrupt, StorageFull
from app.storage import syscalls
from app.storage.content import PIECE, Running
from app.storage.syscalls import DiskFailed


class NewBlob:
    """A blob that is being written: `create`, `append` …, `finish`, `release`.

    Until `release`, `discard` removes it again. It holds the descriptor of its folder from the
    start: so discarding takes nothing that a busy or full system might refuse.
    """

    def __init__(self, path: Path, *, size: int) -> None:
        self._path = path
        self._sha256 = hashlib.sha256()
        self._folder: int | None = None
        self._file: int | None = None
        self._created = False
        self.to_come = size
        """Bytes that the disk must still find room for."""

    def create(self, *, promised: int, reserve: int) -> None:
        """Make the file, or raise `StorageFull` if after `promised` bytes less is free than
        `reserve`, and `ValueError` if the name was used before."""
        self._folder = syscalls.open_folder(self._path.parent)
        check_room(self._folder, promised=promised, reserve=reserve)
        try:
            self._file = syscalls.create_file(self._folder, self._path.name)
        except FileExistsError as error:
            raise ValueError(f"The blob {self._path.name} exists; a name is used once.") from error
        self._created = True

    def append(self, piece: memoryview) -> None:
        """Hash and write the piece."""
        assert self._file is not None
        self._sha256.update(piece)
        syscalls.write_all(self._file, piece)
        self.to_come -= len(piece)

    def sha256(self) -> str:
        """Return the SHA-256 of what was appended, in hex."""
        return self._sha256.hexdigest()

    def finish(self, *, size: int) -> None:
        """Return when the blob, of `size` bytes, survives a power cut.

        Raises `OSError`; then the file has to be discarded, and not synced again. Until
        `release` it can still be discarded.
        """
        assert self._file is not None
        assert self._folder is not None
        syscalls.sync_file(self._file)
        if syscalls.file_size(self._file) != size:
            raise DiskFailed(errno.EIO, "The file has another size than was written")
        self._close_file()
        syscalls.sync_folder(self._folder)

    def release(self) -> None:
        """Let go of a finished blob: from now on it stays."""
        self._close_folder()

    def discard(self) -> None:
        """Remove the file, durably, and close what is open; if there is nothing, do nothing.

        Raises `OSError` if the file may still be there; the descriptors are closed even then.
        """
        try:
            self._close_file()
        finally:
            try:
                if self._created and self._folder is not None:
                    syscalls.unlink(self._folder, self._path.name)
                    self._created = False
                    # The caller forgets the name next, and that must not outlive the removal.
                    syscalls.sync_folder(self._folder)
            finally:
                self._close_folder()

    def _close_file(self) -> None:
        descriptor, self._file = self._file, None
        if descriptor is not None:
            syscalls.close(descriptor)

    def _close_folder(self) -> None:
        descriptor, self._folder = self._folder, None
        if descriptor is not None:
            syscalls.close(descriptor)


def check_room(folder: int, *, promised: int, reserve: int) -> None:
    """Raise `StorageFull` if less than `reserve` bytes are free after `promised` bytes less."""
    if syscalls.free_space(folder) - promised < reserve:
        raise StorageFull("The disk is too full to take this.")


def probe(folder: Path, name: str) -> None:
    """Write, sync and remove a small file; raise `OSError` if the disk fails one of it."""
    content = memoryview(bytes(4096))
    blob = NewBlob(folder / name, size=len(content))
    try:
        blob.create(promised=0, reserve=0)
        blob.append(content)
        blob.finish(size=len(content))
    finally:
        blob.discard()


class StoredBlob:
    """A blob that is being read. Raises `ContentCorrupt` for one that is missing or cut."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._file: int | None = None
        self._path = path
        self.size = 0

    def open(self) -> None:
        """Open the file, and set `size` to its size in bytes."""
        try:
            self._file = syscalls.open_to_read(self._path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP):
                raise ContentCorrupt(f"The stored bytes {self._name} are missing.") from error
            raise
        self.size = syscalls.file_size(self._file)
        self.check_not_erased()
        syscalls.read_ahead(self._file)

    def __enter__(self) -> StoredBlob:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        descriptor, self._file = self._file, None
        if descriptor is not None:
            syscalls.close(descriptor)

    def block(
        self,
        *,
        start: int,
        size: int,
        running: Running | None = None,
        before: Future[bytes] | None = None,
    ) -> bytes:
        """Return exactly `size` bytes from byte `start` on, `running` updated with them.

        It is so in their order: once the block `before` them, which another thread was given
        first, has come. Raises what became of that one.
        """
        assert self._file is not None
        parts: list[bytes] = []
        missing = size
        while missing:
            part = syscalls.read_block(self._file, missing, start + size - missing)
            parts.append(part)
            missing -= len(part)
            self._check(missing=missing, got=len(part))
        block = parts[0] if len(parts) == 1 else b"".join(parts)
        if running is not None:
            if before is not None:
                before.result()
            running.update(block)
        return block

    def blocks(self, buffer: memoryview) -> Generator[memoryview, None, None]:
        """Yield all bytes, read from the disk into `buffer`, which every block lies in."""
        assert self._file is not None
        syscalls.forget_cached(self._file)
        offset = 0
        while offset < self.size:
            got = syscalls.read_into(self._file, buffer[: self.size - offset], offset)
            self._check(missing=self.size - offset - got, got=got)
            offset += got
            yield buffer[:got]

    def _check(self, *, missing: int, got: int) -> None:
        assert self._file is not None
        if missing and not got:
            raise ContentCorrupt(f"The stored bytes {self._name} are cut: {missing} are missing.")
        # Asked after the read: if erasing has not begun now, what was read is no zero of it.
        self.check_not_erased()

    def check_not_erased(self) -> None:
        """Raise `ContentCorrupt` if what was read until now may soon be gone for good."""
        assert self._file is not None
        if syscalls.is_being_erased(self._file):
            raise ContentCorrupt(f"The stored bytes {self._name} are being erased.")


def blobs_of(paths: Sequence[Path]) -> Generator[Iterator[memoryview], None, None]:
    """Yield the blocks of one blob after the other; every block lies in the same buffer."""
    buffer = memoryview(bytearray(PIECE))
    for path in paths:
        with StoredBlob(path) as blob:
            blob.open()
            yield blob.blocks(buffer)
