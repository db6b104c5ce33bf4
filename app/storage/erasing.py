"""Erases blobs from a disk so that their bytes can't be recovered. Everything here blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.storage import syscalls
from app.storage.content import PIECE
from app.storage.syscalls import FULL


def erase_blobs(paths: Sequence[Path], *, stopped: Callable[[], bool]) -> None:
    """Erase the blobs, then sync each folder concerned once; stop early if `stopped()`."""
    folders: dict[Path, list[str]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path.name)
    for folder, names in folders.items():
        descriptor = syscalls.open_folder(folder)
        try:
            for name in names:
                if not _erase(descriptor, name, stopped=stopped):
                    return
            # A missing file is no reason to leave this out: its removal may have been cut
            # short before it was durable.
            syscalls.sync_folder(descriptor)
        finally:
            syscalls.close(descriptor)


def _erase(folder: int, name: str, *, stopped: Callable[[], bool]) -> bool:
    """Overwrite, sync, cut and unlink the blob; a missing one is success.

    Returns false, with the blob only half erased, if `stopped()` became true meanwhile.
    The removal is durable after the folder was synced.
    """
    try:
        descriptor = syscalls.open_to_erase(folder, name)
    except FileNotFoundError:
        return True
    try:
        syscalls.mark_being_erased(descriptor)
        if not _overwrite(descriptor, stopped=stopped):
            return False
        # Without this the kernel would see the cut first, and never write the zeros.
        syscalls.sync_file(descriptor)
        syscalls.cut(descriptor)
    finally:
        syscalls.close(descriptor)
    # Another process may have come first; a missing blob is success.
    with suppress(FileNotFoundError):
        syscalls.unlink(folder, name)
    return True


def _overwrite(descriptor: int, *, stopped: Callable[[], bool]) -> bool:
    size = syscalls.file_size(descriptor)
    offset = 0
    with _room_not_needed():
        while offset < size:
            if stopped():
                return False
            offset += syscalls.overwrite(descriptor, offset, min(PIECE, size - offset))
    return True


@contextmanager
def _room_not_needed() -> Iterator[None]:
    """Go on when zeros find no room.

    That happens only where a file system writes them elsewhere and never in place, so that they
    would hide nothing; and on a full disk, removing the blob is what helps.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
