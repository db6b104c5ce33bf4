"""Uploads that go from a client to a bucket, past the server.

As everywhere, rows come first: an intent names the object before its upload is begun, and a row
says that it is to be completed before it is (design, section 2, rule 9). The id of the upload is
the fence: once it is completed or aborted, the bucket takes nothing for it any more, however long
a link is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tortoise.exceptions import IntegrityError

from app import database
from app.actions import moves
from app.actions.part import add_bytes, forget, intend
from app.actions.unit import Actor, Unit, action
from app.models import Binary, BinaryPart, StorageIntent, StorageUpload
from app.rules import part
from app.rules.access import Role
from app.rules.binary import State
from app.rules.errors import BadUserInput, InvalidTransition, NotFound, PartsIncomplete
from app.rules.failures import DatabaseUnavailable
from app.rules.part import PartState
from app.storage.uploads import Arrived, Uploads, object_name, part_name


@dataclass(frozen=True, slots=True)
class _Seen:
    """A binary, its parts, and its upload, as they were a moment ago."""

    binary: Binary
    parts: Sequence[BinaryPart]
    upload: StorageUpload | None


async def prepare(store: Uploads, actor: Actor, binary_id: UUID) -> None:
    """Makes sure that a binary's registered parts can be sent, and notes which have arrived.

    Nothing is done for a binary that is not uploadable, that has no parts, or whose parts came
    through the server. Raises StorageDegraded.
    """
    seen = await _look(actor, binary_id)
    if seen is None or not seen.parts:
        return
    upload = seen.upload
    if upload is not None and upload.completing:
        if all(row.state is PartState.VALID for row in seen.parts):
            return
        # A part was registered anew after all had been there: that object is not to be.
        await _renew(actor, seen.binary)
        upload = None
    if upload is not None:
        await refresh(store, actor, seen.binary, upload)
    elif all(row.blob is None for row in seen.parts):
        await _begin(store, actor, seen.binary)


async def _look(actor: Actor, binary_id: UUID) -> _Seen | None:
    owner = actor.organization_id
    with database.translated():
        binary = await Binary.get_or_none(organization_id=owner, id=binary_id)
        if binary is None or binary.state is not State.UPLOADABLE:
            return None
        parts = await BinaryPart.filter(organization_id=owner, binary_id=binary_id).order_by(
            "index"
        )
        return _Seen(binary, parts, await StorageUpload.get_or_none(binary_id=binary_id))


async def _begin(store: Uploads, actor: Actor, binary: Binary) -> None:
    name = object_name()
    await intend(name)
    try:
        upload = await store.begin(name)
        await _keep(actor, binary, name, upload)
    except IntegrityError:
        # Another request was first; one upload is enough.
        await forget(actor, name)
    except BaseException:
        await forget(actor, name)
        raise


@action(Role.WRITE)
async def _keep(unit: Unit, binary: Binary, name: str, upload: str) -> None:
    await moves.hold(unit, binary.id, what="No part is taken", epoch=binary.epoch)
    await StorageUpload.create(
        using_db=unit.connection, blob=name, binary_id=binary.id, upload=upload
    )
    if not await StorageIntent.filter(blob=name).using_db(unit.connection).delete():
        # Others took this process for dead, and have what it began erased.
        raise DatabaseUnavailable(
            "This server was out of touch with the database for too long. Register the parts again."
        )


async def refresh(store: Uploads, actor: Actor, binary: Binary, upload: StorageUpload) -> None:
    """Notes which parts have arrived in the bucket, and which are not what was declared."""
    arrived = await store.arrived(upload.blob, upload.upload)
    try:
        if arrived is None:
            await _renew(actor, binary)
        else:
            await _note(actor, binary, upload, arrived)
    except (InvalidTransition, NotFound):
        # A reset or a deletion came first; there is nothing to note any more.
        return


@action(Role.WRITE)
async def _renew(unit: Unit, binary: Binary) -> None:
    """Gives up an upload that can't be completed, and all that came for it."""
    await moves.hold(unit, binary.id, what="No part is taken", epoch=binary.epoch)
    await moves.drop_upload(unit, binary.id)
    await (
        BinaryPart.filter(organization_id=unit.organization_id, binary_id=binary.id)
        .using_db(unit.connection)
        .update(state=PartState.UPLOADABLE, blob=None, updated_at=unit.at)
    )
    await (
        Binary.filter(organization_id=unit.organization_id, id=binary.id)
        .using_db(unit.connection)
        .update(bytes_uploaded=0)
    )


@action(Role.WRITE)
async def _note(
    unit: Unit, binary: Binary, upload: StorageUpload, arrived: Mapping[int, Arrived]
) -> None:
    await moves.hold(unit, binary.id, what="No part is taken", epoch=binary.epoch)
    rows = await BinaryPart.filter(
        organization_id=unit.organization_id, binary_id=binary.id
    ).using_db(unit.connection)
    gained = 0
    changed = []
    for row in rows:
        state = _state(row, arrived.get(row.index))
        if state is row.state:
            continue
        gained += row.size * ((state is PartState.VALID) - (row.state is PartState.VALID))
        row.state = state
        held = state is PartState.VALID
        row.blob = part_name(upload.blob, row.index) if held else None  # type: ignore[assignment]
        row.updated_at = unit.at
        changed.append(row)
    if changed:
        await BinaryPart.bulk_update(
            changed, fields=["state", "blob", "updated_at"], using_db=unit.connection
        )
        await add_bytes(unit, binary.id, gained)
        await unit.announce(binary.id)


def _state(row: BinaryPart, there: Arrived | None) -> PartState:
    """What became of a part. The bucket has compared its digest, where it does not tell it."""
    if there is None:
        return PartState.UPLOADABLE
    if there.size != row.size:
        return PartState.INVALID_SIZE
    if there.sha256 not in (None, row.hash):
        return PartState.INVALID_HASH
    return PartState.VALID


async def complete(store: Uploads, actor: Actor, binary_id: UUID) -> None:
    """Makes an object of a binary's parts where all are there; what is missing is not refused here.

    Raises StorageDegraded.
    """
    seen = await _look(actor, binary_id)
    if seen is None or seen.upload is None:
        return
    upload = seen.upload
    if not upload.completing:
        await refresh(store, actor, seen.binary, upload)
        seen = await _look(actor, binary_id)
        if seen is None or not _is_complete(seen):
            return
    arrived = await store.arrived(upload.blob, upload.upload) or {}
    try:
        await _decide(actor, seen.binary, upload)
    except (InvalidTransition, NotFound):
        return
    parts = [arrived[row.index] for row in seen.parts if row.index in arrived]
    await store.complete(upload.blob, upload.upload, parts, size=seen.binary.size)


def _is_complete(seen: _Seen) -> bool:
    facts = [part.PartFacts(row.index, row.size, row.state) for row in seen.parts]
    try:
        part.check_complete(facts, declared_size=seen.binary.size)
    except (PartsIncomplete, BadUserInput):
        return False
    return True


@action(Role.WRITE)
async def _decide(unit: Unit, binary: Binary, upload: StorageUpload) -> None:
    await moves.hold(unit, binary.id, what="The upload can't be finished", epoch=binary.epoch)
    await StorageUpload.filter(blob=upload.blob).using_db(unit.connection).update(completing=True)
