"""How one process and its work are doing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from app import database
from app.rules.failures import DatabaseUnavailable

_WORK = """
SELECT verification_status AS status, COUNT(*) AS n FROM binary_record
WHERE organization_id = $1 AND state = 'HASHING' GROUP BY verification_status
"""
_FACTS = """
SELECT {own} AS version,
    (SELECT MAX(name) FROM tortoise_migrations WHERE app = 'bindery') AS schema,
    (SELECT COUNT(*) FROM storage_gc) AS garbage,
    (SELECT COUNT(*) FROM storage_intent) AS unfinished
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


@dataclass(frozen=True, slots=True)
class Database:
    """How the database is doing, as one statement tells it; nothing of one that does not answer."""

    answers: bool
    version: str | None = None
    """Of the database's own program."""
    schema: str | None = None
    """The last migration that was applied."""
    garbage: int | None = None
    """Blobs whose bytes are to be erased, of all organizations."""
    unfinished: int | None = None
    """Blobs that are being written, of all organizations."""
    milliseconds: float | None = None
    """How long the statement took."""


async def of_database() -> Database:
    """How the database is doing."""
    own = "sqlite_version()"
    if database.dialect(database.reader()) == "postgres":
        own = "current_setting('server_version')"
    begun = time.perf_counter()
    try:
        (row,) = await database.query(_FACTS.format(own=own))
    except DatabaseUnavailable:
        return Database(answers=False)
    return Database(answers=True, **row, milliseconds=1000 * (time.perf_counter() - begun))
