"""Whether records and bytes agree. Reads only, so it may run beside servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app import database
from app.reads import digests, records, references, signatures
from app.rules.fsck import Damage, Finding
from app.storage.content import ContentStore

UNDER_WAY: Final = timedelta(days=1)
"""How old something must be to count as left undone where servers may be at work on it."""

_PAGE: Final = 2_000
_AT_ONCE: Final = 100
_BEGINNING: Final = "00000000-0000-0000-0000-000000000000"
_PARTS: Final = """
SELECT id, blob, size FROM binary_part WHERE id > $1 AND blob IS NOT NULL ORDER BY id LIMIT $2
"""
_STILL: Final = "SELECT id FROM binary_part WHERE blob = $1"
_NAMED: Final = """
SELECT blob FROM binary_part WHERE blob BETWEEN $1 AND $2
UNION SELECT blob FROM storage_intent WHERE blob BETWEEN $1 AND $2
UNION SELECT blob FROM storage_upload WHERE blob BETWEEN $1 AND $2
UNION SELECT blob FROM storage_gc WHERE blob BETWEEN $1 AND $2
"""
_OTHERS: Final = """
SELECT count(*) AS others FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'bindery-%'
"""


async def inspect(store: ContentStore, *, deep: bool = False, alone: bool = True) -> list[Finding]:
    """Everything that is wrong, of all organizations; `deep`: reads all content, and hashes it.

    `alone`: no server works on this database, so that whatever was begun is left. Raises
    StorageDegraded.
    """
    now = datetime.now(UTC)
    old = now + UNDER_WAY if alone else now - UNDER_WAY
    # Where the database's own file is broken, nothing that it says can be relied on.
    if broken := await references.damaged(deep=deep):
        return broken
    found = [
        *await _orphans(store),
        *await _parts(store),
        *await references.broken(),
        *await records.wrong(old=old, deep=deep),
        *await signatures.invalid(),
    ]
    if deep:
        found += await digests.changed(store, known={one.subject for one in found})
    return found


async def served() -> bool:
    """Whether a process of Bindery has this PostgreSQL database open, this one not counted."""
    (row,) = await database.query(_OTHERS)
    return bool(row["others"])


async def _orphans(store: ContentStore) -> list[Finding]:
    found = []
    async with aclosing(_by_prefix(store)) as folders:
        async for names in folders:
            # Files before rows: a row is there before its file, so that none of a running
            # upload shows.
            rows = await database.query(_NAMED, [names[0], names[-1]])
            for name in sorted(set(names) - {row["blob"] for row in rows}):
                if await store.size(name) is not None:
                    found.append(Finding(Damage.BLOB_ORPHAN, name, "No record names this file."))
    return found


async def _by_prefix(store: ContentStore) -> AsyncGenerator[list[str]]:
    """The blobs in ascending order, those with the same two first digits at once."""
    names: list[str] = []
    async for name in store.names():
        if names and names[0][:2] != name[:2]:
            yield names
            names = []
        names.append(name)
    if names:
        yield names


async def _parts(store: ContentStore) -> list[Finding]:
    found: list[Finding] = []
    after = _BEGINNING
    while rows := await database.query(_PARTS, [after, _PAGE]):
        for place in range(0, len(rows), _AT_ONCE):
            some = rows[place : place + _AT_ONCE]
            sizes = await asyncio.gather(*(store.size(row["blob"]) for row in some))
            for row, size in zip(some, sizes, strict=True):
                if size != row["size"]:
                    found += await _part(row, size)
        after = str(rows[-1]["id"])
    return found


async def _part(row: dict[str, Any], size: int | None) -> list[Finding]:
    # A part may have been deleted since it was read, and its file with it.
    if not await database.query(_STILL, [row["blob"]]):
        return []
    if size is None:
        wrong = f"Blob {row['blob']} of this part is missing."
        return [Finding(Damage.BLOB_MISSING, str(row["id"]), wrong)]
    wrong = f"Blob {row['blob']} has {size} bytes, its part says {row['size']}."
    return [Finding(Damage.BLOB_SIZE, str(row["id"]), wrong)]
