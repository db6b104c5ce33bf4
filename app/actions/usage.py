"""What an organization's parts take, held to its quota.

A part counts from its registration until it is dropped, whether its bytes have come or not: else
any number of uploads could be begun at once that each fit alone. One statement counts and compares,
so of two that don't fit together one is refused, on either database.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app import database
from app.actions.unit import Unit, action
from app.models import Organization
from app.reads import usage
from app.rules.access import Role
from app.rules.errors import BadUserInput
from app.rules.failures import QuotaExceeded

_UNLIMITED: Final = 2**62
_TAKE: Final = """
INSERT INTO storage_usage AS u (organization_id, bytes) VALUES ($1, $2)
ON CONFLICT (organization_id) DO UPDATE SET bytes = u.bytes + $2
WHERE u.bytes + $2 <= $3 AND u.bytes + $2 <= COALESCE(u.quota, $3)
RETURNING bytes
"""
_RETURN: Final = "UPDATE storage_usage SET bytes = bytes - $2 WHERE organization_id = $1"
_RETURN_ALL: Final = """
UPDATE storage_usage SET bytes = bytes - (
    SELECT COALESCE(SUM(size), 0) FROM binary_part WHERE organization_id = $1 AND binary_id = $2
) WHERE organization_id = $1
"""
_RECOUNT: Final = """
INSERT INTO storage_usage (organization_id, bytes)
SELECT o.id, COALESCE(SUM(p.size), 0)
FROM organization o LEFT JOIN binary_part p ON p.organization_id = o.id
WHERE o.id = $1 GROUP BY o.id
ON CONFLICT (organization_id) DO UPDATE SET bytes = excluded.bytes
RETURNING bytes
"""
_SET: Final = """
INSERT INTO storage_usage (organization_id, bytes, quota) VALUES ($1, 0, $2)
ON CONFLICT (organization_id) DO UPDATE SET quota = excluded.quota
"""


async def count(unit: Unit, more: int, *, quota: int) -> None:
    """Counts bytes of parts that were registered; fewer than none: they were replaced.

    `quota` is what the server grants to each organization; 0: as much as it likes. Raises
    QuotaExceeded, and has then counted nothing.
    """
    if more < 0:
        await database.execute(_RETURN, [unit.organization_id, -more], using=unit.connection)
    elif more > 0:
        limit = quota or _UNLIMITED
        arguments = [unit.organization_id, more, limit]
        if more > limit or not await database.query(_TAKE, arguments, using=unit.connection):
            await _refuse(unit, more, quota)


async def _refuse(unit: Unit, more: int, quota: int) -> None:
    found = await usage.of(unit.organization_id, default=quota, using=unit.connection)
    limit = found.quota or 0
    raise QuotaExceeded(
        f"{more} bytes more are too many: {found.used} of {limit} are taken. Destroy, reset or"
        " delete binaries, or have the quota raised.",
        limit=limit,
        used=found.used,
        path=("input", "parts"),
    )


async def give_back(unit: Unit, binary_id: UUID) -> None:
    """Counts the parts of a binary no longer, which are deleted by this unit of work."""
    await database.execute(_RETURN_ALL, [unit.organization_id, binary_id], using=unit.connection)


async def recount(organization_id: UUID, *, using: database.Connection) -> bool:
    """Counts an organization's parts anew, while no server runs; whether there is such a one."""
    return bool(await database.query(_RECOUNT, [organization_id], using=using))


@action(Role.ADMIN)
async def set_quota(unit: Unit, quota: int | None, *, granted: int) -> Organization:
    """Sets how many bytes the organization's parts may take; None: what the server grants.

    What is there already stays. Raises BadUserInput for more than is `granted` (0: no limit).
    """
    most = granted or _UNLIMITED
    if quota is not None and not 0 <= quota <= most:
        raise BadUserInput(
            f"A quota is 0 to {most} bytes on this server, not {quota}.", path=("input", "bytes")
        )
    before = await usage.of(unit.organization_id, default=granted, using=unit.connection)
    await database.execute(_SET, [unit.organization_id, quota], using=unit.connection)
    organization = await Organization.get(id=unit.organization_id)
    after = await usage.of(unit.organization_id, default=granted, using=unit.connection)
    await unit.record(
        "organization.set_quota",
        organization,
        before={"quota_bytes": before.quota},
        after={"quota_bytes": after.quota},
    )
    return organization
