"""Erasing what no row holds any more: rows first, bytes after (design, section 2, rule 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID
from weakref import WeakKeyDictionary

from app import database
from app.actions import hold
from app.actions.unit import Actor, Unit, action
from app.models import Binary, StorageGarbage
from app.rules.access import Role
from app.storage.content import ContentStore

_BATCH = 500
# Nothing in Bindery makes garbage of what a part has. But bytes don't come back, so it is asked.
_GARBAGE = """
SELECT blob FROM storage_gc g
WHERE NOT EXISTS (SELECT 1 FROM binary_part p WHERE p.blob = g.blob){of}
ORDER BY created_at LIMIT 500
"""
_erasing: WeakKeyDictionary[ContentStore, asyncio.Lock] = WeakKeyDictionary()
"""One at a time erases in a store, so that a mutation and the worker don't do the work twice."""


async def erase_garbage(store: ContentStore, *, binary_id: UUID | None = None) -> int:
    """Erases the bytes of garbage blobs, of one binary or of all; gives how many blobs.

    A binary that is destroyed and has no blob left gets its `contentErasedAt`, with an Event.
    What a part has is never erased, whatever calls it garbage. While a backup copies content,
    nothing is. Raises StorageDegraded; what was not erased stays garbage and is tried again.
    """
    async with _erasing.setdefault(store, asyncio.Lock()):
        erased = await _erase_all(store, binary_id)
    await _note_erased(binary_id)
    return erased


async def _erase_all(store: ContentStore, binary_id: UUID | None) -> int:
    erased = 0
    sql = _GARBAGE.replace("{of}", "" if binary_id is None else " AND g.binary_id = $1")
    arguments = [] if binary_id is None else [binary_id]
    while rows := await database.query(sql, arguments, using=database.writer()):
        # Asked after the look-up: what was garbage before a backup began, it does not copy.
        if await hold.is_held():
            break
        blobs = [row["blob"] for row in rows]
        await store.erase(blobs)
        await _drop(blobs)
        erased += len(blobs)
    return erased


async def _drop(blobs: Sequence[str]) -> None:
    async def body(connection: database.Connection) -> None:
        await StorageGarbage.filter(blob__in=blobs).using_db(connection).delete()

    await database.unit_of_work(body, on_full_disk=True)


async def _note_erased(binary_id: UUID | None) -> None:
    # The words of the partial index stand in the statement, so that it is found.
    sql = "SELECT id, organization_id FROM binary_record WHERE state = 'DESTROYED'"
    sql += " AND content_erased_at IS NULL"
    arguments: list[UUID] = []
    if binary_id is not None:
        sql, arguments = f"{sql} AND id = $1", [binary_id]
    waiting = await database.query(f"{sql} LIMIT {_BATCH}", arguments, using=database.writer())
    for row in waiting:
        actor = Actor(organization_id=UUID(str(row["organization_id"])), role=Role.ADMIN)
        await _note(actor, UUID(str(row["id"])))


@action(Role.ADMIN, on_full_disk=True)
async def _note(unit: Unit, binary_id: UUID) -> None:
    if await StorageGarbage.filter(binary_id=binary_id).exists():
        return
    noted = (
        await Binary.filter(
            organization_id=unit.organization_id, id=binary_id, content_erased_at=None
        )
        .using_db(unit.connection)
        .update(content_erased_at=unit.at, updated_at=unit.at)
    )
    if noted:
        binary = await unit.find(Binary, binary_id)
        await unit.record("binary.content_erased", binary, after={"content_erased_at": unit.at})
