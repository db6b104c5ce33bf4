"""Whether the stored bytes still are those that the records tell: `fsck --deep`. Reads only."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Any, Final

from app import database
from app.rules.binary import ContentHealth, State
from app.rules.failures import ContentCorrupt, StorageDegraded
from app.rules.fsck import Damage, Finding
from app.storage.content import ContentStore, Digest

_PAGE: Final = 5_000
_AT_ONCE: Final = min(8, os.cpu_count() or 1)
"""Binaries that are read at once; one thread hashes faster than most disks read."""

_BEGINNING: Final = ("00000000-0000-0000-0000-000000000000", 0)
_PARTS: Final = """
SELECT p.binary_id, p.part_index, p.id, p.blob, p.size, p.hash,
    b.state, b.epoch, b.hash AS whole, b.size AS whole_size, b.content_health
FROM binary_part p JOIN binary_record b ON b.id = p.binary_id
WHERE (p.binary_id, p.part_index) > ($1, $2) AND p.blob IS NOT NULL
ORDER BY p.binary_id, p.part_index LIMIT $3
"""
_STILL_PART: Final = "SELECT 1 FROM binary_part WHERE id = $1 AND blob = $2"
_STILL_WHOLE: Final = """
SELECT 1 FROM binary_record WHERE id = $1 AND epoch = $2 AND state IN ('SIGNABLE', 'SIGNED')
"""
_VERIFIED: Final = frozenset({State.SIGNABLE, State.SIGNED})

Row = dict[str, Any]


async def changed(store: ContentStore, *, known: Collection[str] = ()) -> list[Finding]:
    """Each part whose bytes have another SHA-256 than was declared, or can't be read; and each
    verified binary whose parts as one have another.

    Everything is read from the disk, in pieces of 1 MiB, as many binaries at once as there are
    processors. `known` are subjects whose bytes were found missing or cut already.
    """
    found: list[Finding] = []
    turn = asyncio.Lock()
    async with aclosing(_binaries()) as binaries:

        async def look() -> None:
            while True:
                async with turn:
                    parts = await anext(binaries, None)
                if parts is None:
                    return
                found.extend(await _binary(store, parts, known))

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(look())
    return sorted(found, key=lambda one: (one.subject, one.code))


async def _binaries() -> AsyncGenerator[list[Row]]:
    """The stored parts of one binary after the other."""
    parts: list[Row] = []
    place = _BEGINNING
    while page := await database.query(_PARTS, [*place, _PAGE]):
        for row in page:
            if parts and parts[0]["binary_id"] != row["binary_id"]:
                yield parts
                parts = []
            parts.append(row)
        place = (str(page[-1]["binary_id"]), page[-1]["part_index"])
    if parts:
        yield parts


async def _binary(store: ContentStore, parts: list[Row], known: Collection[str]) -> list[Finding]:
    if any(str(part["id"]) in known for part in parts):
        parts = [part for part in parts if str(part["id"]) not in known]
        return [found for part in parts for found in await _part(store, part)]
    found = [each for part in parts for each in await _part(store, part)]
    return found or await _whole(store, parts)


async def _part(store: ContentStore, part: Row) -> list[Finding]:
    code, wrong = Damage.BLOB_DIGEST, ""
    try:
        digest = await _digest(store, [part["blob"]])
        if digest.sha256 != part["hash"]:
            wrong = f"Blob {part['blob']} hashes to {digest.sha256}, its part says {part['hash']}."
    except (ContentCorrupt, StorageDegraded) as error:
        code, wrong = Damage.BLOB_UNREADABLE, f"Blob {part['blob']} can't be read: {error.message}"
    # A part may have been deleted since it was listed, and its file with it.
    if not wrong or not await database.query(_STILL_PART, [part["id"], part["blob"]]):
        return []
    return [Finding(code, str(part["id"]), wrong)]


async def _whole(store: ContentStore, parts: list[Row]) -> list[Finding]:
    binary = parts[0]
    expected = Digest(binary["whole"], binary["whole_size"])
    if binary["state"] not in _VERIFIED:
        return []
    try:
        # Of a content in one part all is known by now.
        digest = Digest(binary["hash"], binary["size"])
        if len(parts) > 1:
            digest = await _digest(store, [part["blob"] for part in parts])
    except (ContentCorrupt, StorageDegraded):
        # It was readable a moment ago, part by part: it was reset, or destroyed.
        return []
    health = binary["content_health"]
    if digest == expected and health in (None, ContentHealth.OK):
        return []
    if not await database.query(_STILL_WHOLE, [binary["binary_id"], binary["epoch"]]):
        return []
    if digest == expected:
        wrong = f"The content is right, but the binary is marked {health}, and not served."
        return [Finding(Damage.MARK_STALE, str(binary["binary_id"]), wrong)]
    wrong = (
        f"The content has {digest.size} bytes that hash to {digest.sha256},"
        f" the record says {expected.size} and {expected.sha256}."
    )
    return [Finding(Damage.CONTENT_DIGEST, str(binary["binary_id"]), wrong)]


async def _digest(store: ContentStore, blobs: list[str]) -> Digest:
    return await store.digest(blobs, progress=_unseen, stop=threading.Event())


def _unseen(_done: int) -> None:
    """Nobody looks at how far it is."""
