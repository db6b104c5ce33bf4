"""How one process and its work are doing."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app import database
from app.rules.errors import DatabaseUnavailable

_WORK = """
SELECT verification_status AS status, COUNT(*) AS n FROM binary_record
WHERE organization_id = $1 AND state = 'HASHING' GROUP BY verification_status
"""


@dataclass(frozen=True, slots=True)
class Work:
    """Binaries of an organization in hashing, by how far their verification has come."""

    waiting: int
    running: int
    failed: int


async def work(organization_id: UUID) -> Work:
    """How much verification there is to do; one statement."""
    rows = await database.query(_WORK, [organization_id])
    counts = {row["status"]: row["n"] for row in rows}
    return Work(
        waiting=counts.get("PENDING", 0) + counts.get("RETRYING", 0),
        running=counts.get("RUNNING", 0),
        failed=counts.get("FAILED", 0),
    )


async def database_answers() -> bool:
    """Whether the database answers now."""
    try:
        await database.query("SELECT 1 AS one")
    except DatabaseUnavailable:
        return False
    return True
