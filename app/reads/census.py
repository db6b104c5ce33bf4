"""How many binaries, verifications and blobs there are, of all organizations, for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app import database

STUCK: Final = timedelta(minutes=5)
"""How long a binary in hashing may be due before it counts as stuck."""

_BINARIES = """
SELECT state, COUNT(*) AS n, CAST(SUM(size) AS BIGINT) AS bytes FROM binary_record GROUP BY state
"""
# A waiting one is due since it was queued, a retry at its time, and a running one has to be gone
# on with by others when its lease ends.
_QUEUE = """
SELECT verification_status AS status, COUNT(*) AS n,
    COUNT(CASE WHEN lease_expires_at <= $1 THEN 1 END) AS expired,
    COUNT(CASE WHEN CASE verification_status
        WHEN 'PENDING' THEN updated_at
        WHEN 'RETRYING' THEN verification_due_at
        WHEN 'RUNNING' THEN lease_expires_at
    END <= $2 THEN 1 END) AS stuck
FROM binary_record WHERE state = 'HASHING' GROUP BY verification_status
"""
_BLOBS = """
SELECT (SELECT COUNT(*) FROM storage_gc) AS garbage,
    (SELECT COUNT(*) FROM storage_intent) AS unfinished,
    (SELECT COUNT(*) FROM webhook_delivery WHERE state = 'PENDING') AS webhooks
"""

# The words of the partial index stand in the statement, so that it is found.
_DAMAGED = """
SELECT content_health AS health, COUNT(*) AS n FROM binary_record
WHERE content_health <> 'OK' GROUP BY content_health
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What there is at one time."""

    binaries: dict[str, tuple[int, int]]
    """By state: how many, and their sizes added up."""
    verifications: dict[str, int]
    """By status: how many are in hashing."""
    held: int
    """Leases that are good."""
    expired: int
    """Leases that are over, and nobody has taken the work since."""
    stuck: int
    """Binaries in hashing that are due for `STUCK` or longer."""
    garbage: int
    unfinished: int
    webhooks: int
    """Events that are still to be sent."""
    damaged: dict[str, int]
    """By health: how many binaries have content that was found corrupt or missing."""


async def take(*, at: datetime) -> Census:
    """Counts; four statements, of which one reads every binary. Raises DatabaseUnavailable."""
    binaries = await database.query(_BINARIES)
    queue = await database.query(_QUEUE, [at, at - STUCK])
    (blobs,) = await database.query(_BLOBS)
    expired = sum(row["expired"] for row in queue)
    running = sum(row["n"] for row in queue if row["status"] == "RUNNING")
    return Census(
        binaries={row["state"]: (row["n"], row["bytes"]) for row in binaries},
        verifications={row["status"]: row["n"] for row in queue},
        held=running - expired,
        expired=expired,
        stuck=sum(row["stuck"] for row in queue),
        garbage=blobs["garbage"],
        unfinished=blobs["unfinished"],
        webhooks=blobs["webhooks"],
        damaged={row["health"]: row["n"] for row in await database.query(_DAMAGED)},
    )
