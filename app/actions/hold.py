"""Holds the erasing of content while a backup copies it.

A hold is a lock and no row, so that it ends with the process that has it, however that ends.
Whoever erases looks for garbage first, then for the hold, then erases. What was garbage before the
hold is in no copy of the records that is made under it; what becomes garbage later is seen to be
held.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from app import database, lock
from app.sqlite import EmbeddedClient

HOLD_FILE: Final = "hold"
"""The file beside an embedded database that a backup locks."""
HOLD_KEY: Final = 0x62696E64_686F6C64
"""The advisory lock that a backup has on PostgreSQL."""


async def is_held() -> bool:
    """Whether a backup has what is garbage now kept for a while."""
    connection = database.writer()
    if database.dialect(connection) == "postgres":
        (row,) = await database.query(
            "SELECT pg_try_advisory_xact_lock_shared($1) AS free", [HOLD_KEY], using=connection
        )
        return not row["free"]
    return lock.is_held(Path(cast("EmbeddedClient", connection).filename).parent, name=HOLD_FILE)
