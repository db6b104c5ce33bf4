"""Whether the stored bytes still are those that the records tell: `fsck --deep`. Reads only."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import Any, Final

from app import database
from app.rules.binary import ContentHealth, State
from app.rules.failures import ContentCorrupt, StorageDegraded
from app.rules.fsck import Damage, Finding
from app.rules.refusal import BinderyError
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

    Everything is read from the disk once, in pieces of 1 MiB, as many binaries at once as there are
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
    left = [part for part in parts if str(part["id"]) not in known]
    if len(left) == len(parts) > 1 and parts[0]["state"] in _VERIFIED:
        return await _at_once(store, parts)
    found = [each for part in left for each in await _part(store, part)]
    if found or left != parts or parts[0]["state"] not in _VERIFIED:
        return found
    # Of a content in one part all is known by now.
    return await _whole(parts[0], Digest(parts[0]["hash"], parts[0]["size"]))


async def _at_once(store: ContentStore, parts: list[Row]) -> list[Finding]:
    """What is wrong with the parts of a verified binary, or else with all as one."""
    digests: list[Digest] = []
    found: list[Finding] = []
    whole = None
    try:
        whole = await _digest(store, parts, each=digests.append)
    except (ContentCorrupt, StorageDegraded) as error:
        first, *rest = parts[len(digests) :]
        found += await _unreadable(first, error)
        found += [each for part in rest for each in await _part(store, part)]
    for part, digest in zip(parts, digests, strict=False):
        found += await _judged(part, digest)
    return found if found or whole is None else await _whole(parts[0], whole)


async def _part(store: ContentStore, part: Row) -> list[Finding]:
    try:
        return await _judged(part, await _digest(store, [part]))
    except (ContentCorrupt, StorageDegraded) as error:
        return await _unreadable(part, error)


async def _judged(part: Row, digest: Digest) -> list[Finding]:
    if digest.sha256 == part["hash"]:
        return []
    wrong = f"Blob {part['blob']} hashes to {digest.sha256}, its part says {part['hash']}."
    return await _wrong(part, Damage.BLOB_DIGEST, wrong)


async def _unreadable(part: Row, error: BinderyError) -> list[Finding]:
    wrong = f"Blob {part['blob']} can't be read: {error.message}"
    return await _wrong(part, Damage.BLOB_UNREADABLE, wrong)


async def _wrong(part: Row, code: Damage, wrong: str) -> list[Finding]:
    # A part may have been deleted since it was listed, and its file with it.
    if not await database.query(_STILL_PART, [part["id"], part["blob"]]):
        return []
    return [Finding(code, str(part["id"]), wrong)]


async def _whole(binary: Row, digest: Digest) -> list[Finding]:
    expected = Digest(binary["whole"], binary["whole_size"])
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


async def _digest(
    store: ContentStore, parts: list[Row], *, each: Callable[[Digest], None] | None = None
) -> Digest:
    blobs = [part["blob"] for part in parts]
    return await store.digest(blobs, progress=_unseen, stop=threading.Event(), each=each)


def _unseen(_done: int) -> None:
    """Nobody looks at how far it is."""
