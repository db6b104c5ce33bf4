"""What every content store promises, and the values that it is spoken to in."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from app.rules.failures import ContentCorrupt

PIECE: Final = 1024 * 1024
"""Bytes that are written, read or hashed at once. Hopping to a thread costs the same for one
byte as for a mebibyte, and a mebibyte is where the cost no longer shows."""

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Digest:
    """How bytes are recognised. Raises `ValueError` for values that no bytes can have."""

    sha256: str
    """64 lowercase hex digits."""
    size: int
    """In bytes."""

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("A SHA-256 is 64 lowercase hex digits.")
        if self.size < 0:
            raise ValueError("A size is not negative.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """How a store is doing."""

    healthy: bool
    """Whether it works, and takes writes where there is room."""
    free: int | None = None
    """Bytes that there is room for; None where nobody knows an end."""
    reserve: int = 0
    """Bytes of these that no blob is taken for."""
    failed_at: datetime | None = None
    """When the disk failed last, since the store was made."""
    probed_at: datetime | None = None
    """When it was last found out whether a disk that had failed works again."""

    @property
    def full(self) -> bool:
        """Whether it takes no blob at all for lack of room."""
        return self.free is not None and self.free <= self.reserve


class DigestStopped(Exception):
    """`ContentStore.digest` was asked to stop, and did; there is no result."""


def random_name() -> str:
    """Return a blob name nobody has used: 128 random bits as 32 lowercase hex digits."""
    return secrets.token_hex(16)


def is_name(text: str) -> bool:
    """Tell whether `text` looks like what `random_name` makes."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """Return `name`, or raise `ValueError` if it is not what `random_name` makes.

    Every method of every store asks this first, so that a user's text never becomes a path.
    """
    if not is_name(name):
        raise ValueError(f"A blob name is 32 lowercase hex digits, not {name[:40]!r}.")
    return name


def check_range(start: int, length: int | None) -> None:
    """Raise `ValueError` if no blob can have the range of `length` bytes from `start` on."""
    if start < 0 or (length is not None and length < 0):
        raise ValueError("A range starts at 0 or later, and is not shorter than 0 bytes.")


def end_of_range(name: str, *, start: int, length: int | None, size: int) -> int:
    """Return where the range ends in the blob `name` of `size` bytes; `None` means: at its end.

    Raises `ContentCorrupt` if the blob is too short for the range.
    """
    end = max(start, size) if length is None else start + length
    if end > size:
        raise ContentCorrupt(
            f"The stored bytes {name} are cut: {size} are there, asked was for {end}."
        )
    return end


class Running(Protocol):
    """A digest under way, like those of `hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Go on with these bytes."""


class ContentStore(Protocol):
    """Keeps blobs: bytes that are written once under a random name, read, and erased.

    The errors named here are those of `app.rules.failures`; besides, each method raises
    `ValueError` for a name that `new_name` can't have made, and `StorageDegraded` when the
    store is closed or can't work for a reason that has no class of its own.
    """

    async def open(self) -> None:
        """Make the store ready. Raises `StorageDegraded`, saying why, if it can't be used."""

    async def close(self) -> None:
        """Refuse new work, then wait for writes, digests and erasures under way.

        A download under way is cut at its next block. Whoever does not want to wait for an
        upload whose sender stalls cancels it first.
        """

    def new_name(self) -> str:
        """Return a name for a new blob: random, 32 lowercase hex digits, never used twice."""

    async def check_room(self, size: int) -> None:
        """Raise what `write` would raise at once: `StorageFull`, `StorageDegraded`.

        So that nothing has to be noted, or asked of a sender, for bytes that can't be taken.
        """

    async def write(self, name: str, chunks: AsyncIterator[bytes], *, expect: Digest) -> Digest:
        """Store the bytes of `chunks`, durably, as a new blob, and return their digest.

        It takes no chunk after the one that exceeds `expect.size`. When it raises, for whatever
        reason and when cancelled too, no blob and no descriptor is left, and the removal is
        durable; only after `StorageDegraded` and a cancellation the caller can't rely on that:
        it keeps its note of the name, and erases it later.

        Raises `InvalidSize` or `InvalidHash` if the bytes are not those of `expect`,
        `StorageFull` if they don't fit, `StorageDegraded` if the disk fails or failed before
        (see `healthy`), `ValueError` if the name was used before, and what `chunks` raises.
        """

    def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        running: Running | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield `length` bytes (by default: the rest) from byte `start` on, 1 MiB at a time.

        `running` is updated with all of these bytes before the last block is yielded. It ends
        without an error only after exactly these bytes. Close it (`aclosing`) when leaving it
        early. Raises `ContentCorrupt` if the blob is missing, shorter than asked, or erased
        meanwhile, and `ValueError` for a negative range.
        """

    async def digest(
        self,
        names: Sequence[str],
        *,
        progress: Callable[[int], None],
        stop: threading.Event,
        each: Callable[[Digest], None] | None = None,
    ) -> Digest:
        """Read the stored blobs in this order, once, and return the digest of all as one.

        `progress` is called, in another thread, with the number of bytes done so far: at least
        every 16 MiB, and at the end. `each` is called so, too, with the digest of every blob by
        itself, once it was read; where a blob can't be, with those before it. Raises
        `DigestStopped` soon after `stop` is set, and `ContentCorrupt` if a blob is missing, or
        erased meanwhile.
        """

    async def erase(self, names: Sequence[str]) -> None:
        """Remove the blobs, durably, and so that their bytes can't be recovered.

        A missing blob is success: after a failure or a cancellation, call it again. Reads
        under way end with `ContentCorrupt`. Raises `StorageDegraded` if the disk fails.
        """

    async def size(self, name: str) -> int | None:
        """Return the size of the blob in bytes, or `None` if there is none."""

    def names(self) -> AsyncGenerator[str, None]:
        """Yield the name of every blob there is, in ascending order."""

    async def healthy(self) -> bool:
        """Tell whether writes are taken.

        After the disk failed a write or an fsync they are refused, until this method was
        called and could write, fsync and remove a new small file.
        """

    async def status(self) -> StoreStatus:
        """Tell how the store is doing, after a look by `healthy`. It does not raise."""
