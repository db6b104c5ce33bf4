"""Reaping uploads that nobody goes on with: parts go, the record stays, and may be sent again."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app import database
from app.actions import moves
from app.actions.unit import Actor, Unit, action
from app.models import Binary
from app.rules.access import Role
from app.rules.errors import InvalidTransition, NotFound

_BATCH: Final = 100
# The words of the partial index stand in the statement, so that it is found.
_ABANDONED: Final = f"""
SELECT id, organization_id FROM binary_record b
WHERE state = 'UPLOADABLE' AND updated_at < $1
    AND EXISTS (SELECT 1 FROM binary_part p WHERE p.binary_id = b.id)
ORDER BY updated_at LIMIT {_BATCH}
"""  # noqa: S608 - a number of our own.


async def reap_abandoned(*, idle: timedelta) -> int:
    """Drops the parts of uploads that were idle so long; gives how many uploads.

    Idle is one of which nobody registered or stored a part, nor changed the record. Its URLs are
    good for nothing then, and an Event tells of it.
    """
    before, reaped = datetime.now(UTC) - idle, 0
    while rows := await database.query(_ABANDONED, [before], using=database.writer()):
        for row in rows:
            actor = Actor(organization_id=UUID(str(row["organization_id"])), role=Role.WRITE)
            # Somebody may have gone on with it since.
            with suppress(InvalidTransition, NotFound):
                await _reap(actor, UUID(str(row["id"])), before)
                reaped += 1
    return reaped


@action(Role.WRITE, on_full_disk=True)
async def _reap(unit: Unit, binary_id: UUID, before: datetime) -> None:
    binary = await moves.hold(unit, binary_id, what="It is not abandoned", updated_at__lt=before)
    await moves.drop_parts(unit, binary_id)
    await (
        Binary.filter(organization_id=unit.organization_id, id=binary_id)
        .using_db(unit.connection)
        .update(bytes_uploaded=0)
    )
    await unit.record(
        "binary.upload_abandoned",
        binary,
        before={"bytes_uploaded": binary.bytes_uploaded},
        after={"bytes_uploaded": 0},
    )
