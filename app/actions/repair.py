"""What `bindery fsck --repair` writes: one function for each kind that a program may mend.

No server runs meanwhile. Still each looks again, within its own transaction, whether there is
what was found; what changes a binary is an Event of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from app import database
from app.actions import delivery, moves, usage
from app.actions.content import erase_garbage
from app.actions.health import mark
from app.actions.unit import Actor, Unit, action
from app.models import (
    Binary,
    BinaryPart,
    Cohort,
    Event,
    Owned,
    Release,
    ReleaseClaim,
    StorageGarbage,
    StorageIntent,
    StorageUpload,
    WebhookDelivery,
)
from app.rules.access import Role
from app.rules.binary import ContentHealth, State, VerificationStatus
from app.rules.errors import InvalidTransition, NotFound
from app.rules.fsck import Damage, Finding
from app.rules.part import PartState
from app.storage.content import ContentStore

_COUNT: Final = """
UPDATE binary_record SET bytes_uploaded = CASE state WHEN 'DESTROYED' THEN 0 ELSE COALESCE(
    (SELECT SUM(size) FROM binary_part WHERE binary_id = $1 AND blob IS NOT NULL), 0
) END WHERE id = $1
"""
_COUNT_DEVICES: Final = """
INSERT INTO cohort_devices (cohort_id, organization_id, devices)
SELECT id, organization_id, (SELECT COUNT(*) FROM device d WHERE d.cohort_id = c.id)
FROM cohort c WHERE c.organization_id = $1 AND c.id = $2
ON CONFLICT (cohort_id) DO UPDATE SET devices = excluded.devices
"""
_FORGET_CLAIMS: Final = """
DELETE FROM release_claim_count WHERE organization_id = $1 AND release_id = $2
"""
_COUNT_CLAIMS: Final = """
INSERT INTO release_claim_count (release_id, slot, organization_id, claims)
SELECT id, 0, organization_id, (SELECT COUNT(*) FROM release_claim c WHERE c.release_id = r.id)
FROM release r WHERE r.organization_id = $1 AND r.id = $2
"""
_ENDINGS: Final = ("binary.reset", "binary.destroy")
_EVENT: Final = "binary.repair"

Mend = Callable[[str], Awaitable[bool]]


async def repair(store: ContentStore, found: Sequence[Finding]) -> list[Finding]:
    """Mends what may be mended, and gives that. Raises StorageDegraded, and may run again.

    What shows that a blob is needed goes first, and the erasing last.
    """
    mended = []
    order = list(_MENDS)
    for finding in sorted((one for one in found if one.code in _MENDS), key=_place(order)):
        if await _MENDS[finding.code](finding.subject):
            mended.append(finding)
    await erase_garbage(store)
    for finding in found:
        if finding.code is Damage.ERASURE_UNTOLD:
            await erase_garbage(store, binary_id=UUID(finding.subject))
    return mended


def _place(order: list[Damage]) -> Callable[[Finding], int]:
    return lambda finding: order.index(finding.code)


async def _keep_from_intent(blob: str) -> bool:
    """Drops the intent of a blob that a part has."""

    async def body(connection: database.Connection) -> bool:
        if not await BinaryPart.filter(blob=blob).using_db(connection).exists():
            return False
        return await StorageIntent.filter(blob=blob).using_db(connection).delete() == 1

    return await database.unit_of_work(body)


async def _keep_from_garbage(blob: str) -> bool:
    """Takes a blob that a part has out of the garbage."""

    async def body(connection: database.Connection) -> bool:
        if not await BinaryPart.filter(blob=blob).using_db(connection).exists():
            return False
        return await StorageGarbage.filter(blob=blob).using_db(connection).delete() == 1

    return await database.unit_of_work(body)


async def _to_garbage(blob: str) -> bool:
    """Makes a blob that no part has garbage; the intent of it ends."""

    async def body(connection: database.Connection) -> bool:
        for model in (BinaryPart, StorageUpload):
            if await model.filter(blob=blob).using_db(connection).exists():
                return False
        await StorageIntent.filter(blob=blob).using_db(connection).delete()
        if not await StorageGarbage.filter(blob=blob).using_db(connection).exists():
            await StorageGarbage.create(using_db=connection, blob=blob, binary_id=None)
        return True

    return await database.unit_of_work(body)


async def _by_erasing(_subject: str) -> bool:
    """Nothing more than the erasing that every repair ends with."""
    return True


def _of(model: type[Owned | ReleaseClaim], mend: Callable[[Actor, UUID], Awaitable[bool]]) -> Mend:
    """Has the server itself, in the row's organization, mend the row of a subject."""

    async def run(subject: str) -> bool:
        row = await model.get_or_none(id=UUID(subject))
        if row is None:
            return False
        actor = Actor(organization_id=row.organization_id, role=Role.ADMIN)
        try:
            return await mend(actor, row.id)
        except (InvalidTransition, NotFound):
            return False

    return run


def _lost(health: ContentHealth) -> Mend:
    """Has a part sent again; where it is too late for that, keeps its binary from being served."""

    async def run(subject: str) -> bool:
        if await _of(BinaryPart, _send_again)(subject):
            return True
        part = await BinaryPart.get_or_none(id=UUID(subject))
        if part is not None:
            await _marked(health)(str(part.binary_id))
        return False

    return run


def _marked(health: ContentHealth) -> Mend:
    """Marks the content of a verified binary, so that it is served, or is not."""

    async def mend(actor: Actor, binary_id: UUID) -> bool:
        binary = await Binary.get(organization_id=actor.organization_id, id=binary_id)
        return await mark(actor, binary_id, epoch=binary.epoch, health=health)

    return _of(Binary, mend)


async def _keep_back(subject: str) -> bool:
    """Keeps a binary from being served, which mends nothing."""
    await _marked(ContentHealth.CORRUPT)(subject)
    return False


@action(Role.ADMIN)
async def _send_again(unit: Unit, part_id: UUID) -> bool:
    """Takes the bytes from a part of an open upload, so that they are sent again."""
    part = await unit.find(BinaryPart, part_id)
    binary = await moves.hold(unit, part.binary_id, what="No part is taken back")
    if part.blob is None:
        return False
    blob = part.blob
    await unit.change("binary.part_lost", part, state=PartState.UPLOADABLE, blob=None)
    await StorageGarbage.create(using_db=unit.connection, blob=blob, binary_id=binary.id)
    await database.execute(_COUNT, [binary.id], using=unit.connection)
    return True


@action(Role.ADMIN)
async def _finish_destruction(unit: Unit, binary_id: UUID) -> bool:
    """Makes the content of a destroyed binary garbage, if an Event tells of its destruction."""
    binary = await unit.find(Binary, binary_id)
    known = Event.filter(
        organization_id=unit.organization_id, subject_id=binary_id, kind="binary.destroy"
    )
    if binary.state is not State.DESTROYED or not await known.using_db(unit.connection).exists():
        return False
    await moves.drop_parts(unit, binary_id)
    await unit.change(_EVENT, binary, bytes_uploaded=0, content_erased_at=None)
    return True


@action(Role.ADMIN)
async def _requeue(unit: Unit, binary_id: UUID) -> bool:
    """Has a record that nobody verifies verified from the start."""
    binary = await unit.find(Binary, binary_id)
    if binary.state is not State.HASHING:
        return False
    await _drop_lease_of(unit, binary)
    await unit.change(
        _EVENT,
        binary,
        verification_status=VerificationStatus.PENDING,
        verification_due_at=None,
        bytes_hashed=0,
    )
    return True


@action(Role.ADMIN)
async def _drop_lease(unit: Unit, binary_id: UUID) -> bool:
    binary = await unit.find(Binary, binary_id)
    await _drop_lease_of(unit, binary)
    await unit.record(_EVENT, binary, before={"lease_expires_at": binary.lease_expires_at})
    return True


async def _drop_lease_of(unit: Unit, binary: Binary) -> None:
    await (
        Binary.filter(organization_id=unit.organization_id, id=binary.id)
        .using_db(unit.connection)
        .update(lease_token=None, lease_expires_at=None)
    )


@action(Role.ADMIN)
async def _raise_epoch(unit: Unit, binary_id: UUID) -> bool:
    """Makes the epoch what it is after so many resets and destructions; it never falls."""
    binary = await unit.find(Binary, binary_id)
    ended = (
        await Event.filter(
            organization_id=unit.organization_id, subject_id=binary_id, kind__in=_ENDINGS
        )
        .using_db(unit.connection)
        .count()
    )
    if binary.epoch > ended:
        return False
    await unit.change(_EVENT, binary, epoch=ended + 1)
    return True


@action(Role.ADMIN)
async def _recount(unit: Unit, binary_id: UUID) -> bool:
    before = await unit.find(Binary, binary_id)
    await database.execute(_COUNT, [binary_id], using=unit.connection)
    after = await unit.find(Binary, binary_id)
    facts: list[dict[str, Any]] = [
        {"bytes_uploaded": row.bytes_uploaded} for row in (before, after)
    ]
    await unit.record(_EVENT, after, before=facts[0], after=facts[1])
    return True


async def _recount_usage(organization_id: str) -> bool:
    async def body(connection: database.Connection) -> bool:
        return await usage.recount(UUID(organization_id), using=connection)

    return await database.unit_of_work(body)


@action(Role.ADMIN)
async def _drop_claim(unit: Unit, claim_id: UUID) -> bool:
    claim = await ReleaseClaim.get_or_none(organization_id=unit.organization_id, id=claim_id)
    if claim is None:
        return False
    release = await unit.find(Release, claim.release_id)
    await ReleaseClaim.filter(id=claim_id).using_db(unit.connection).delete()
    await unit.record("release.claim_lost", release, before={"device_id": claim.device_id})
    return True


@action(Role.ADMIN)
async def _queue_webhook(unit: Unit, delivery_id: UUID) -> bool:
    """Has a delivery that no worker knows of sent."""
    found = await unit.find(WebhookDelivery, delivery_id)
    await delivery.queue(unit.connection, found.webhook_id, found.subject_id)
    return True


@action(Role.ADMIN)
async def _count_devices(unit: Unit, cohort_id: UUID) -> bool:
    """Counts the devices of a cohort; no Event, as the number is none of its facts."""
    cohort = await unit.find(Cohort, cohort_id)
    arguments = [unit.organization_id, cohort.id]
    await database.execute(_COUNT_DEVICES, arguments, using=unit.connection)
    return True


@action(Role.ADMIN)
async def _count_claims(unit: Unit, release_id: UUID) -> bool:
    """Counts the claims of a release; no Event, as the number is none of its facts."""
    release = await unit.find(Release, release_id)
    for statement in (_FORGET_CLAIMS, _COUNT_CLAIMS):
        arguments = [unit.organization_id, release.id]
        await database.execute(statement, arguments, using=unit.connection)
    return True


_MENDS: Final[dict[Damage, Mend]] = {
    Damage.INTENT_IN_USE: _keep_from_intent,
    Damage.GARBAGE_IN_USE: _keep_from_garbage,
    Damage.BLOB_MISSING: _lost(ContentHealth.MISSING),
    Damage.BLOB_SIZE: _lost(ContentHealth.CORRUPT),
    Damage.BLOB_DIGEST: _lost(ContentHealth.CORRUPT),
    Damage.CONTENT_DIGEST: _keep_back,
    Damage.MARK_STALE: _marked(ContentHealth.OK),
    Damage.DESTROYED_WITH_PARTS: _of(Binary, _finish_destruction),
    Damage.EPOCH_BEHIND: _of(Binary, _raise_epoch),
    Damage.COUNTER_WRONG: _of(Binary, _recount),
    Damage.USAGE_WRONG: _recount_usage,
    Damage.HASHING_STUCK: _of(Binary, _requeue),
    Damage.LEASE_DEAD: _of(Binary, _requeue),
    Damage.LEASE_STRAY: _of(Binary, _drop_lease),
    Damage.CLAIM_STRAY: _of(ReleaseClaim, _drop_claim),
    Damage.WEBHOOK_STUCK: _of(WebhookDelivery, _queue_webhook),
    Damage.DEVICES_MISCOUNTED: _of(Cohort, _count_devices),
    Damage.CLAIMS_MISCOUNTED: _of(Release, _count_claims),
    Damage.INTENT_LEFT: _to_garbage,
    Damage.BLOB_ORPHAN: _to_garbage,
    Damage.GARBAGE_LEFT: _by_erasing,
    Damage.ERASURE_UNDONE: _by_erasing,
    Damage.ERASURE_UNTOLD: _by_erasing,
}
