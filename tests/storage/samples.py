"""Bytes to store, and the ways in which they come and go."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import lru_cache
from pathlib import Path

from app.storage.content import ContentStore, Digest, Running


@lru_cache(maxsize=8)
def sample(size: int, *, seed: int = 1) -> bytes:
    """Return `size` bytes that look random, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def digest_of(data: bytes) -> Digest:
    """Return what `data` should be recognised by, computed in one go."""
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


async def chunked(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    """Yield `data` in chunks of `size` bytes, as a network would."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def stored(store: ContentStore, data: bytes) -> str:
    """Store `data`, and return the name of its blob."""
    name = store.new_name()
    await store.write(name, chunked(data), expect=digest_of(data))
    return name


async def content(
    store: ContentStore,
    name: str,
    *,
    start: int = 0,
    length: int | None = None,
    running: Running | None = None,
) -> bytes:
    """Return what the store yields."""
    reading = store.read(name, start=start, length=length, running=running)
    async with aclosing(reading) as blocks:
        return b"".join([block async for block in blocks])


async def all_names(store: ContentStore) -> list[str]:
    """Return the names of all blobs."""
    async with aclosing(store.names()) as names:
        return [name async for name in names]


def descriptors() -> int:
    """Return how many file descriptors this process has open, but for sockets.

    A store over the network keeps its connections.
    """
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return len([link for link in links if not str(link).startswith("socket:")])
