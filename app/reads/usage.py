"""How many bytes an organization's parts take, and how many they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app import database

_USAGE: Final = "SELECT bytes, quota FROM storage_usage WHERE organization_id = $1"


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of all parts of an organization, whether they have come or not."""

    used: int
    quota: int | None
    """How many these may be; None: no limit."""


async def of(
    organization_id: UUID, *, default: int, using: database.Connection | None = None
) -> Usage:
    """What is taken; `default` is what the server grants to each organization, 0: no limit."""
    rows = await database.query(_USAGE, [organization_id], using=using)
    used, own = (rows[0]["bytes"], rows[0]["quota"]) if rows else (0, None)
    limits = [limit for limit in (own, default or None) if limit is not None]
    return Usage(used, min(limits, default=None))
