"""Writes of the server's own verification. The records in hashing are themselves its queue.

Whoever verifies a record holds a lease on it: a token, and a time by which it must have given a
sign of life. All that a holder writes names its token and the epoch, so that what comes late,
after a stall, a reset or a destruction, matches no row (design, section 2, rules 5 and 6).
Times of leases are compared by the database's own clock alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from tortoise.queryset import QuerySet

from app import database
from app.actions import moves
from app.actions.unit import Actor, Unit, action
from app.models import Binary, BinaryPart
from app.rules.access import Role
from app.rules.binary import ContentHealth, Move, State, VerificationStatus
from app.rules.errors import Conflict, InvalidTransition, NotFound
from app.rules.verification import judge
from app.storage.content import Digest

# The states stand in the text, since SQLite uses a partial index only for what it can read there.
# What was not tried yet goes before what could not be read before.
_CLAIM = """
    UPDATE binary_record
    SET verification_status = 'RUNNING', verification_due_at = NULL,
        verification_attempts = verification_attempts + 1, bytes_hashed = 0,
        lease_token = $1, lease_expires_at = {later:2}
    WHERE id = (
        SELECT id FROM binary_record
        WHERE state = 'HASHING' AND (
            verification_status = 'PENDING'
            OR verification_status = 'RETRYING' AND verification_due_at <= {now}
            OR verification_status = 'RUNNING' AND lease_expires_at <= {now}
        )
        ORDER BY verification_due_at NULLS FIRST, {oldest} LIMIT 1 {lock}
    )
    RETURNING organization_id, id, epoch, hash, size, verification_attempts
"""
_RENEW = """
    UPDATE binary_record SET bytes_hashed = $5, lease_expires_at = {later:6}
    WHERE organization_id = $1 AND id = $2 AND lease_token = $3 AND epoch = $4
        AND state = 'HASHING'
"""
_RETRY = """
    UPDATE binary_record
    SET verification_status = 'RETRYING', verification_error = $5,
        verification_due_at = {later:6}, lease_token = NULL, lease_expires_at = NULL,
        updated_at = $7
    WHERE organization_id = $1 AND id = $2 AND lease_token = $3 AND epoch = $4
        AND state = 'HASHING'
"""
_REQUEUE = """
    UPDATE binary_record
    SET verification_status = 'PENDING', bytes_hashed = 0, lease_token = NULL,
        lease_expires_at = NULL
    WHERE state = 'HASHING' AND verification_status = 'RUNNING'
"""
_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A record whose verification one holder, and nobody else, has been given."""

    organization_id: UUID
    binary_id: UUID
    epoch: int
    token: UUID
    hash: str
    """The SHA-256 that the content should have, in 64 lowercase hex digits."""
    size: int
    """The bytes that it should have."""
    attempts: int
    """How often this upload was claimed, this time included."""
    blobs: tuple[str, ...]
    """The names of its blobs, in order of the parts; none for a size of 0."""

    @property
    def actor(self) -> Actor:
        """The server itself, in the record's organization."""
        return Actor(organization_id=self.organization_id, role=Role.ADMIN)


async def claim(*, lease_seconds: float) -> Claimed | None:
    """Takes the next record that waits for verification, of any organization; None: none does.

    That is one that is PENDING, RETRYING and due, or RUNNING under a lease that has expired.
    """
    token = uuid4()

    async def body(connection: database.Connection) -> Claimed | None:
        taken = await database.query(
            database.worded(_CLAIM, using=connection),
            [token, float(lease_seconds)],
            using=connection,
        )
        if not taken:
            return None
        (row,) = taken
        # PostgreSQL's driver gives ids, SQLite's gives their text.
        organization_id, binary_id = UUID(str(row["organization_id"])), UUID(str(row["id"]))
        parts = BinaryPart.filter(organization_id=organization_id, binary_id=binary_id)
        blobs = await parts.order_by("index").values_list("blob", flat=True)
        return Claimed(
            organization_id=organization_id,
            binary_id=binary_id,
            epoch=row["epoch"],
            token=token,
            hash=row["hash"],
            size=row["size"],
            attempts=row["verification_attempts"],
            blobs=tuple(str(blob) for blob in blobs),
        )

    return await database.unit_of_work(body)


async def renew(claimed: Claimed, *, bytes_hashed: int, lease_seconds: float) -> bool:
    """Extends the lease from now on and notes the progress; False: the record is lost."""
    return await _renew(claimed.actor, claimed, bytes_hashed, lease_seconds)


@action(Role.ADMIN)
async def _renew(unit: Unit, claimed: Claimed, bytes_hashed: int, lease_seconds: float) -> bool:
    renewed = await database.execute(
        database.worded(_RENEW, using=unit.connection),
        [*_names(claimed), bytes_hashed, float(lease_seconds)],
        using=unit.connection,
    )
    if renewed:
        await unit.announce(claimed.binary_id)
    return renewed == 1


async def finish(claimed: Claimed, digest: Digest) -> bool:
    """Stores the result: the record becomes signable, or FAILED and stays where it is.

    False: the record is lost, and nothing was changed.
    """
    try:
        return await _finish(claimed.actor, claimed, digest)
    except (Conflict, InvalidTransition, NotFound):
        return False


@action(Role.ADMIN)
async def _finish(unit: Unit, claimed: Claimed, digest: Digest) -> bool:
    verdict = judge(
        declared_hash=claimed.hash,
        declared_size=claimed.size,
        computed_hash=digest.sha256,
        computed_size=digest.size,
    )
    found: dict[str, Any] = {
        "verification_status": verdict.status,
        "verification_error": verdict.error,
        "computed_hash": digest.sha256,
        "computed_size": digest.size,
        "bytes_hashed": digest.size,
    }
    if verdict.status is VerificationStatus.FAILED:
        return await _fail(unit, claimed, found)
    await moves.move(
        unit,
        claimed.binary_id,
        Move.PASS_VERIFICATION,
        only_if={"lease_token": claimed.token, "epoch": claimed.epoch},
        values={**found, "content_health": ContentHealth.OK, "content_checked_at": unit.at},
    )
    return True


async def _fail(unit: Unit, claimed: Claimed, found: dict[str, Any]) -> bool:
    failed = await _held(unit, claimed).update(**found, **_NO_LEASE, updated_at=unit.at)
    if failed:
        await unit.record(
            "binary.verification_failed",
            await unit.find(Binary, claimed.binary_id),
            after={**found, "expected_hash": claimed.hash, "expected_size": claimed.size},
        )
    return failed == 1


async def retry(claimed: Claimed, error: str, *, delay: timedelta) -> bool:
    """Puts off a record whose content could not be read; False: it is lost.

    `error` is shown to callers. The record is due again after `delay`.
    """
    return await _retry(claimed.actor, claimed, error, delay)


@action(Role.ADMIN)
async def _retry(unit: Unit, claimed: Claimed, error: str, delay: timedelta) -> bool:
    put_off = await database.execute(
        database.worded(_RETRY, using=unit.connection),
        [*_names(claimed), error, delay.total_seconds(), unit.at],
        using=unit.connection,
    )
    if put_off:
        binary = await unit.find(Binary, claimed.binary_id)
        await unit.record(
            "binary.verification_retrying",
            binary,
            after={
                "verification_status": VerificationStatus.RETRYING,
                "verification_error": error,
                "verification_attempts": claimed.attempts,
                "verification_due_at": binary.verification_due_at,
            },
        )
    return put_off == 1


async def release(claimed: Claimed) -> bool:
    """Gives the work back untouched, for whoever claims next; False: it is lost."""
    return await _release(claimed.actor, claimed)


@action(Role.ADMIN, on_full_disk=True)
async def _release(unit: Unit, claimed: Claimed) -> bool:
    released = await _held(unit, claimed).update(
        verification_status=VerificationStatus.PENDING, bytes_hashed=0, **_NO_LEASE
    )
    return released == 1


async def requeue_dead() -> int:
    """Gives back all that is RUNNING, and tells how much that was.

    For the start on a database of one process, where every lease is that of a dead one.
    """

    async def body(connection: database.Connection) -> int:
        return await database.execute(_REQUEUE, using=connection)

    return await database.unit_of_work(body, on_full_disk=True)


def _held(unit: Unit, claimed: Claimed) -> QuerySet[Binary]:
    """The record, while the lease on it is the claimed one."""
    return Binary.filter(
        organization_id=unit.organization_id,
        id=claimed.binary_id,
        state=State.HASHING,
        lease_token=claimed.token,
        epoch=claimed.epoch,
    ).using_db(unit.connection)


def _names(claimed: Claimed) -> list[Any]:
    return [claimed.organization_id, claimed.binary_id, claimed.token, claimed.epoch]
