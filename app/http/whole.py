"""Whole content on its way out: its end is held back until the bytes proved to be the right ones.

A client that got every byte announced has got the content; one that would get other bytes sees
its connection cut instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from app.rules.failures import ContentCorrupt
from app.storage.content import ContentStore


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blobs (name, bytes) that follow one another, and the SHA-256 of all as one, in hex."""

    blobs: Sequence[tuple[str, int]]
    sha256: str


async def checked(store: ContentStore, stretches: Iterable[Stretch]) -> AsyncGenerator[bytes, None]:
    """Yield the bytes in blocks of 1 MiB; the last block of a stretch when its digest agrees.

    Raises ContentCorrupt instead, and what the store's `read` raises.
    """
    for stretch in stretches:
        sha256 = hashlib.sha256()
        held = b""
        for blob, size in stretch.blobs:
            async with aclosing(store.read(blob, length=size, running=sha256)) as blocks:
                async for block in blocks:
                    if held:
                        yield held
                    held = block
        if sha256.hexdigest() != stretch.sha256:
            raise ContentCorrupt("The stored bytes are not those that came.")
        if held:
            yield held
