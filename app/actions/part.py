"""Writes about the parts of an upload: registering them, and taking their bytes.

The order of `receive` is what makes it crash-safe: an intent row, then the bytes, then the one
transaction that stores the part and drops the intent (design, section 2, rule 1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from app import database, tracing
from app.actions import moves, presence, usage
from app.actions.unit import Actor, Unit, action
from app.models import Binary, BinaryPart, StorageGarbage, StorageIntent, StorageUpload
from app.rules import digest, part
from app.rules.access import Role
from app.rules.binary import State
from app.rules.errors import BadUserInput, InvalidTransition, NotFound
from app.rules.failures import (
    ContentDestroyed,
    DatabaseUnavailable,
    InvalidHash,
    InvalidSize,
    UploadSuperseded,
)
from app.rules.part import PartState
from app.storage.content import ContentStore, Digest

MAX_PARTS_PER_CALL = 1_000


@dataclass(frozen=True, slots=True)
class NewPart:
    """A part to be registered: index from 1, size in bytes, SHA-256 in hex or base64."""

    index: int
    size: int
    hash: str


@action(Role.WRITE)
async def create_binary_parts(
    unit: Unit, binary_id: UUID, *, parts: Sequence[NewPart], quota: int = 0
) -> list[BinaryPart]:
    """Registers parts of an uploadable binary; the same registration again is the same part.

    Other values for an index replace the old registration and drop its bytes. `quota` is what the
    server grants, as `usage.count` takes it. Raises BadUserInput, NotFound, InvalidTransition,
    QuotaExceeded.
    """
    checked = check_parts(parts)
    binary = await moves.hold(unit, binary_id, what="Parts can't be registered")
    return await register(unit, binary, checked, quota=quota)


def check_parts(parts: Sequence[NewPart]) -> list[NewPart]:
    """Checks each part by itself, and that no index is there twice. Raises BadUserInput."""
    if len(parts) > MAX_PARTS_PER_CALL:
        raise BadUserInput(
            f"{len(parts)} parts are too many for one call; send at most {MAX_PARTS_PER_CALL}.",
            path=("input", "parts"),
        )
    checked = []
    for place, new in enumerate(parts):
        path = ("input", "parts", str(place))
        part.check_part(new.index, new.size, path=path)
        checked.append(
            NewPart(new.index, new.size, digest.sha256_hex(new.hash, path=(*path, "hash")))
        )
    if len({new.index for new in checked}) < len(checked):
        raise BadUserInput("Each index may be given only once.", path=("input", "parts"))
    return checked


async def register(
    unit: Unit, binary: Binary, parts: Sequence[NewPart], *, quota: int
) -> list[BinaryPart]:
    """Registers checked parts of a binary that this unit of work holds. Raises QuotaExceeded."""
    present = {
        row.index: row
        for row in await BinaryPart.filter(
            organization_id=unit.organization_id, binary_id=binary.id
        )
    }
    sizes = {index: row.size for index, row in present.items()} | {
        new.index: new.size for new in parts
    }
    part.check_minimum(sizes, path=("input", "parts"))
    replaced = [
        row
        for new in parts
        if (row := present.get(new.index)) and (row.size, row.hash) != (new.size, new.hash)
    ]
    await _replace(unit, binary, replaced)
    kept = {row.index: row for row in present.values() if row not in replaced}
    created = [
        BinaryPart(
            organization_id=unit.organization_id,
            binary_id=binary.id,
            index=new.index,
            size=new.size,
            hash=new.hash,
        )
        for new in parts
        if new.index not in kept
    ]
    more = sum(row.size for row in created) - sum(row.size for row in replaced)
    await usage.count(unit, more, quota=quota)
    await BinaryPart.bulk_create(created, using_db=unit.connection)
    registered = kept | {row.index: row for row in created}
    return [registered[new.index] for new in parts]


async def _replace(unit: Unit, binary: Binary, old: Sequence[BinaryPart]) -> None:
    if not old:
        return
    stored = [row for row in old if row.blob is not None]
    await StorageGarbage.bulk_create(
        [StorageGarbage(blob=row.blob, binary_id=binary.id) for row in stored],
        using_db=unit.connection,
    )
    await BinaryPart.filter(
        organization_id=unit.organization_id, id__in=[row.id for row in old]
    ).delete()
    await add_bytes(unit, binary.id, -sum(row.size for row in stored))


async def add_bytes(unit: Unit, binary_id: UUID, count: int) -> None:
    """Counts bytes of valid parts; fewer than none: they are no longer."""
    if count:
        await database.execute(
            "UPDATE binary_record SET bytes_uploaded = bytes_uploaded + $1"
            " WHERE organization_id = $2 AND id = $3",
            [count, unit.organization_id, binary_id],
            using=unit.connection,
        )


@dataclass(frozen=True, slots=True)
class Registration:
    """What an upload URL names: one registration of a part, in one epoch of its binary."""

    organization_id: UUID
    binary_id: UUID
    part_id: UUID
    epoch: int


async def open_part(registration: Registration) -> BinaryPart:
    """The part that bytes may be sent for. Raises ContentDestroyed, UploadSuperseded."""
    with database.translated(), tracing.reading(Binary):
        binary = await Binary.get_or_none(
            organization_id=registration.organization_id, id=registration.binary_id
        )
    with database.translated(), tracing.reading(BinaryPart):
        found = await BinaryPart.get_or_none(
            organization_id=registration.organization_id,
            binary_id=registration.binary_id,
            id=registration.part_id,
        )
    if binary is not None and binary.state is State.DESTROYED:
        raise ContentDestroyed("The binary was destroyed.")
    current = (State.UPLOADABLE, registration.epoch)
    if binary is None or found is None or (binary.state, binary.epoch) != current:
        raise UploadSuperseded(
            "This upload is over: the part was replaced, the binary reset, or the upload"
            " finished. List the binary's parts for present upload URLs."
        )
    return found


async def refuse_size(registration: Registration) -> None:
    """Notes that bytes of another size were announced for a part; a valid one stays valid."""
    actor = Actor(organization_id=registration.organization_id, role=Role.WRITE)
    await _spoil_part(actor, registration, None, PartState.INVALID_SIZE)


async def receive(
    store: ContentStore, registration: Registration, chunks: AsyncIterator[bytes]
) -> None:
    """Takes the bytes of one part. Nothing is left behind when it raises.

    Raises ContentDestroyed, UploadSuperseded, InvalidSize, InvalidHash, StorageFull,
    StorageDegraded and DatabaseUnavailable. A valid part stays so, whatever is sent.
    """
    found = await open_part(registration)
    await store.check_room(found.size)
    actor = Actor(organization_id=registration.organization_id, role=Role.WRITE)
    blob = store.new_name()
    await intend(blob)
    try:
        await store.write(blob, chunks, expect=Digest(sha256=found.hash, size=found.size))
        await _store_part(actor, registration, blob)
    except InvalidSize:
        await _spoil_part(actor, registration, blob, PartState.INVALID_SIZE)
        raise
    except InvalidHash:
        await _spoil_part(actor, registration, blob, PartState.INVALID_HASH)
        raise
    except BaseException:
        await forget(actor, blob)
        raise


async def intend(blob: str) -> None:
    """Notes that there may be a blob of this name, before there is."""

    async def body(connection: database.Connection) -> None:
        await StorageIntent.create(using_db=connection, blob=blob, boot=presence.BOOT)

    await database.unit_of_work(body)


@action(Role.WRITE)
async def _store_part(unit: Unit, registration: Registration, blob: str) -> None:
    try:
        await moves.hold(
            unit, registration.binary_id, what="No part is taken", epoch=registration.epoch
        )
    except (InvalidTransition, NotFound) as error:
        raise UploadSuperseded("The binary was reset, or its upload finished.") from error
    stored = (
        await BinaryPart.filter(
            organization_id=unit.organization_id, id=registration.part_id, blob=None
        )
        .using_db(unit.connection)
        .update(state=PartState.VALID, blob=blob, updated_at=unit.at)
    )
    part_row = await BinaryPart.get_or_none(
        organization_id=unit.organization_id, id=registration.part_id
    )
    if part_row is None:
        raise UploadSuperseded("The part was replaced.")
    if not await StorageIntent.filter(blob=blob).delete():
        raise DatabaseUnavailable(
            "This server was out of touch with the database for too long, and its bytes were given"
            " up. Send the part again."
        )
    if stored:
        await add_bytes(unit, registration.binary_id, part_row.size)
        await unit.announce(registration.binary_id)
    else:
        # The same bytes were there already; these are one copy too many.
        await StorageGarbage.create(using_db=unit.connection, blob=blob, binary_id=None)


@action(Role.WRITE, on_full_disk=True)
async def _spoil_part(
    unit: Unit, registration: Registration, blob: str | None, state: PartState
) -> None:
    await (
        BinaryPart.filter(organization_id=unit.organization_id, id=registration.part_id, blob=None)
        .using_db(unit.connection)
        .update(state=state, updated_at=unit.at)
    )
    if blob is not None:
        await StorageIntent.filter(blob=blob).using_db(unit.connection).delete()


@action(Role.WRITE, on_full_disk=True)
async def forget(unit: Unit, blob: str) -> None:
    """Turns an intent into garbage: whatever there is of the blob's file is to be erased.

    Where others gave the intent up already, they may have erased the blob before its file was
    there. Only a blob that a part or an upload holds is left alone: then it was stored after all.
    """
    await StorageIntent.filter(blob=blob).using_db(unit.connection).delete()
    held = await BinaryPart.filter(blob=blob).using_db(unit.connection).exists()
    if not held and not await StorageUpload.filter(blob=blob).using_db(unit.connection).exists():
        await database.execute(
            "INSERT INTO storage_gc (blob, created_at) VALUES ($1, $2)"
            " ON CONFLICT (blob) DO NOTHING",
            [blob, unit.at],
            using=unit.connection,
        )
