"""Writes about the health of stored content: who looks at which, and what was found.

The look itself takes as long as it takes, so what it found counts only for the epoch that it was
begun in: content that was reset or destroyed meanwhile is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app import database
from app.actions.unit import Actor, Unit, action
from app.models import Binary, BinaryPart, ContentScrub
from app.rules.access import Role
from app.rules.binary import ContentHealth, State
from app.rules.scrubbing import AGAIN_IF_DAMAGED, lease
from app.storage.content import Digest

_VERIFIED: Final = frozenset({State.SIGNABLE, State.SIGNED})

# SQLite uses a partial index only where the statement has the words of its condition.
_NEXT: Final = """
SELECT id, organization_id, size FROM binary_record b
WHERE {due} AND state IN ('SIGNABLE', 'SIGNED') AND NOT EXISTS (
    SELECT 1 FROM content_scrub s WHERE s.binary_id = b.id AND s.until > $2
)
ORDER BY content_checked_at LIMIT 1
"""
# A look that nobody ended, and what somebody who read it has doubts about.
_BEGUN: Final = """
SELECT b.id, b.organization_id, b.size FROM content_scrub s
JOIN binary_record b ON b.id = s.binary_id
WHERE s.until <= $1 AND b.state IN ('SIGNABLE', 'SIGNED') ORDER BY s.until LIMIT 1
"""
_SUSPECT: Final = """
INSERT INTO content_scrub (binary_id, until) VALUES ($1, $2) ON CONFLICT (binary_id) DO NOTHING
"""
_DAMAGED: Final = "content_health <> 'OK' AND content_checked_at <= $1"
_OLDEST: Final = "content_checked_at <= $1"
_TAKE: Final = """
INSERT INTO content_scrub (binary_id, until) VALUES ($1, $2)
ON CONFLICT (binary_id) DO UPDATE SET until = excluded.until WHERE content_scrub.until <= $3
RETURNING binary_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A verified content that one process, and no other, looks at."""

    organization_id: UUID
    binary_id: UUID
    epoch: int
    expected: Digest
    blobs: tuple[str, ...]
    """The names of its blobs, in order of the parts."""

    @property
    def actor(self) -> Actor:
        """The server itself, in the record's organization."""
        return Actor(organization_id=self.organization_id, role=Role.ADMIN)


async def claim(*, again_after: timedelta, rate: int) -> Claimed | None:
    """Takes the verified content that waits longest for a look, of any organization.

    What is suspected goes before all else. None: what is damaged was looked at within the hour,
    and all else within `again_after`.
    """
    now = datetime.now(UTC)
    for statement, arguments in (
        (_BEGUN, [now]),
        (_NEXT.replace("{due}", _DAMAGED), [now - AGAIN_IF_DAMAGED, now]),
        (_NEXT.replace("{due}", _OLDEST), [now - again_after, now]),
    ):
        # No look at an empty queue takes the lock of a transaction.
        for row in await database.query(statement, arguments):
            owner = UUID(str(row["organization_id"]))
            actor = Actor(organization_id=owner, role=Role.ADMIN)
            until = now + lease(row["size"], rate=rate)
            taken = await _take(actor, UUID(str(row["id"])), until)
            if taken is not None:
                return taken
    return None


@action(Role.ADMIN)
async def _take(unit: Unit, binary_id: UUID, until: datetime) -> Claimed | None:
    taken = await database.query(_TAKE, [binary_id, until, unit.at], using=unit.connection)
    binary = await Binary.get_or_none(organization_id=unit.organization_id, id=binary_id)
    if not taken or binary is None or binary.state not in _VERIFIED:
        return None
    parts = BinaryPart.filter(organization_id=unit.organization_id, binary_id=binary_id)
    blobs = await parts.order_by("index").values_list("blob", flat=True)
    return Claimed(
        organization_id=unit.organization_id,
        binary_id=binary_id,
        epoch=binary.epoch,
        expected=Digest(binary.hash, binary.size),
        blobs=tuple(str(blob) for blob in blobs),
    )


async def suspect(organization_id: UUID, binary_id: UUID, *, epoch: int) -> None:
    """Has a verified content looked at before all others: somebody read other bytes than it has.

    Reading once more is the worker's: what was wrong may have been the memory or the wire.
    """

    async def body(connection: database.Connection) -> None:
        verified = Binary.filter(
            organization_id=organization_id, id=binary_id, epoch=epoch, state__in=list(_VERIFIED)
        )
        if await verified.using_db(connection).exists():
            arguments = [binary_id, datetime.now(UTC)]
            await database.execute(_SUSPECT, arguments, using=connection)

    await database.unit_of_work(body)


async def tell(claimed: Claimed, health: ContentHealth) -> bool:
    """Notes what a look found, with an Event where that is news; False: the content is gone."""
    noted = await mark(claimed.actor, claimed.binary_id, epoch=claimed.epoch, health=health)
    await drop(claimed)
    return noted


@action(Role.ADMIN)
async def mark(unit: Unit, binary_id: UUID, *, epoch: int, health: ContentHealth) -> bool:
    """Notes the health of a verified content of this epoch; False: there is none any more."""
    await unit.lock(Binary, [binary_id])
    verified = Binary.filter(
        organization_id=unit.organization_id, id=binary_id, epoch=epoch, state__in=list(_VERIFIED)
    ).using_db(unit.connection)
    before = await verified.get_or_none()
    if before is None:
        return False
    is_news = health is not (before.content_health or ContentHealth.OK)
    changed = {"updated_at": unit.at} if is_news else {}
    await verified.update(content_health=health, content_checked_at=unit.at, **changed)
    if is_news:
        facts: list[dict[str, Any]] = [
            {"content_health": one} for one in (before.content_health, health)
        ]
        await unit.record("binary.content_health", before, before=facts[0], after=facts[1])
    return True


async def drop(claimed: Claimed) -> None:
    """Lets others look at the content, at the latest when it is due again."""

    async def body(connection: database.Connection) -> None:
        await ContentScrub.filter(binary_id=claimed.binary_id).using_db(connection).delete()

    await database.unit_of_work(body)
