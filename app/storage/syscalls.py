"""The system calls that blobs are written, read and erased with, one function each.

They raise `OSError` as the system gives it, and `DiskFailed` where the failure says that the
disk can't be trusted with new bytes. Fault injection and its tests take hold here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ZEROS: Final = memoryview(bytes(1024 * 1024))
_BEING_ERASED: Final = stat.S_IWUSR

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room: the disk is full, or the user's share of it."""


class DiskFailed(OSError):
    """The disk failed to change or to keep something; what it says later proves nothing."""


@contextmanager
def _changing() -> Iterator[None]:
    """Turn the errors of a broken disk, and of one the kernel made read-only, to `DiskFailed`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EIO, errno.EROFS):
            raise DiskFailed(error.errno, error.strerror) from error
        raise


def open_folder(path: Path) -> int:
    """Return a descriptor that the calls below name files by."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def create_file(folder: int, name: str) -> int:
    """Return a descriptor to write to; raise `FileExistsError` rather than touch an old file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _changing():
        return os.open(name, flags, 0o600, dir_fd=folder)


def open_to_read(path: Path) -> int:
    """Return a descriptor to read from."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def open_to_erase(folder: int, name: str) -> int:
    """Return a descriptor to write to an existing file."""
    return os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def close(descriptor: int) -> None:
    """Close, whatever it returns: the descriptor is gone afterwards even if this raises."""
    with _changing():
        os.close(descriptor)


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data`, however little the system takes at a time."""
    rest = data
    while rest:
        with _changing():
            rest = rest[os.write(descriptor, rest) :]


def read_block(descriptor: int, size: int, offset: int) -> bytes:
    """Return up to `size` bytes from `offset` on; fewer at the end of the file."""
    return os.pread(descriptor, size, offset)


def read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill `buffer` with the bytes from `offset` on, and return how many there were."""
    return os.preadv(descriptor, [buffer], offset)


def forget_cached(descriptor: int) -> None:
    """Have the next reads come from the disk, not from memory, on systems that can."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def read_ahead(descriptor: int) -> None:
    """Have the disk read on while the last block is hashed or sent, on systems that can.

    Bytes that were not cached were hashed up to four times as fast with it.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)


def file_size(descriptor: int) -> int:
    """Return the size in bytes."""
    return os.fstat(descriptor).st_size


def free_space(descriptor: int) -> int:
    """Return the bytes that may still be written to the file system by this user."""
    status = os.fstatvfs(descriptor)
    return status.f_bavail * status.f_frsize


def sync_file(descriptor: int) -> None:
    """Return when the file's bytes are on the disk.

    The kernel reports a failed fsync once and then forgets the bytes: a second one may succeed
    without having written them. So the caller drops the file.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise DiskFailed(error.errno, error.strerror) from error


def sync_folder(descriptor: int) -> None:
    """Return when the names in the folder are on the disk; what is said of a file holds here."""
    sync_file(descriptor)


def mark_being_erased(descriptor: int) -> None:
    """Take the permission to read, which `is_being_erased` sees in every process."""
    with _changing():
        os.fchmod(descriptor, _BEING_ERASED)


def is_being_erased(descriptor: int) -> bool:
    """Tell whether bytes read until now may already be zeros."""
    return not os.fstat(descriptor).st_mode & stat.S_IRUSR


def overwrite(descriptor: int, offset: int, size: int) -> int:
    """Write up to `size` zeros from `offset` on, and return how many were written."""
    with _changing():
        return os.pwrite(descriptor, _ZEROS[:size], offset)


def cut(descriptor: int) -> None:
    """Make the file empty."""
    with _changing():
        os.ftruncate(descriptor, 0)


def unlink(folder: int, name: str) -> None:
    """Remove the file's name."""
    with _changing():
        os.unlink(name, dir_fd=folder)
