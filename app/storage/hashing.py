"""Hashes: of bytes on their way in against what was declared, and of stored bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from app.rules.failures import InvalidHash
from app.storage.content import Digest, DigestStopped

TELL_EVERY: Final = 8 * 1024 * 1024
"""Bytes between two calls of `progress`: half of what is promised, so that a last block that
goes beyond it still keeps the promise."""


def hash_blobs(
    blobs: Iterable[Iterable[bytes | memoryview]],
    *,
    progress: Callable[[int], None],
    stopped: Callable[[], bool],
    each: Callable[[Digest], None] | None = None,
) -> Digest:
    """Return the digest of all blobs, each of them blocks of 1 MiB at most, as one.

    `progress` is called with the bytes done so far, every few blocks and at the end, and `each`
    with the digest of every blob by itself. Raises `DigestStopped` before the next block is
    hashed once `stopped()` is true.
    """
    sha256 = hashlib.sha256()
    done = told = 0
    for blocks in blobs:
        alone, begun = hashlib.sha256(), done
        for block in blocks:
            _go_on(stopped)
            sha256.update(block)
            if each is not None:
                alone.update(block)
            done += len(block)
            if done - told >= TELL_EVERY:
                progress(done)
                told = done
        if each is not None:
            each(Digest(alone.hexdigest(), done - begun))
    _go_on(stopped)
    progress(done)
    return Digest(sha256.hexdigest(), done)


def _go_on(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise DigestStopped("Hashing was asked to stop.")


def check_hash(received: Digest, *, expect: Digest) -> None:
    """Raise `InvalidHash` if the bytes received hash to something else than was declared."""
    if received.sha256 != expect.sha256:
        raise InvalidHash(
            f"The bytes hash to {received.sha256}, declared was {expect.sha256}.",
            declared_hash=expect.sha256,
            received_hash=received.sha256,
        )
