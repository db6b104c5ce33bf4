"""That this process lives, and what is done with what dead ones left behind.

On PostgreSQL several processes write to one store. Each of them says now and then that it lives;
the intents of one that has not for too long are turned to garbage by the others. Times are those
of the database's clock alone. A process that was only out of touch finds its intent gone when it
stores the part, and stores nothing (`actions.part`).
"""

from __future__ import annotations

import time

from app import database
from app.rules.ids import new_id

BOOT = new_id()
"""This process; every start has another one."""

_BEAT = """
    INSERT INTO process (boot, seen_at) VALUES ($1, now())
    ON CONFLICT (boot) DO UPDATE SET seen_at = now()
"""
_REAP = """
    WITH dead AS (
        DELETE FROM storage_intent i WHERE i.boot <> $1 AND NOT EXISTS (
            SELECT 1 FROM process p
            WHERE p.boot = i.boot AND p.seen_at > now() - make_interval(secs => $2)
        ) RETURNING i.blob
    ), garbage AS (
        INSERT INTO storage_gc (blob, created_at) SELECT blob, now() FROM dead
        ON CONFLICT (blob) DO NOTHING
    )
    SELECT count(*) AS reaped FROM dead
"""
_BURY = """
    DELETE FROM process p WHERE p.seen_at <= now() - make_interval(secs => $1)
    AND NOT EXISTS (SELECT 1 FROM storage_intent i WHERE i.boot = p.boot)
"""
_LEAVE = """
    DELETE FROM process p WHERE p.boot = $1
    AND NOT EXISTS (SELECT 1 FROM storage_intent i WHERE i.boot = p.boot)
"""
_RECOVER = """
    INSERT INTO storage_gc (blob, created_at)
    SELECT blob, created_at FROM storage_intent WHERE boot <> $1
"""


async def recover() -> None:
    """Turns the intents that a dead process left into garbage. For a database of one process."""

    async def body(connection: database.Connection) -> None:
        await database.execute(_RECOVER, [BOOT], using=connection)
        await database.execute(
            "DELETE FROM storage_intent WHERE boot <> $1", [BOOT], using=connection
        )

    await database.unit_of_work(body, on_full_disk=True)


async def beat() -> None:
    """Says that this process lives. For PostgreSQL, as all that follows."""

    async def body(connection: database.Connection) -> None:
        await database.execute(_BEAT, [BOOT], using=connection)

    await database.unit_of_work(body)


async def leave() -> None:
    """Says that this process ends in peace; where it left an intent, the others find it dead."""

    async def body(connection: database.Connection) -> None:
        await database.execute(_LEAVE, [BOOT], using=connection)

    await database.unit_of_work(body)


async def reap(*, silent_seconds: float) -> int:
    """Turns the intents of processes that were silent so long into garbage; gives how many."""

    async def body(connection: database.Connection) -> int:
        silent = float(silent_seconds)
        (row,) = await database.query(_REAP, [BOOT, silent], using=connection)
        await database.execute(_BURY, [silent], using=connection)
        reaped: int = row["reaped"]
        return reaped

    return await database.unit_of_work(body)


class Presence:
    """The signs of life of this process, and its look at the others' after each.

    After the database was away, everybody has been silent. So it judges nobody until it has been
    in touch itself, without a break, for as long as it would take to be judged.
    """

    def __init__(self, *, silent_seconds: float) -> None:
        self._silent_seconds = silent_seconds
        self._last = self._since = float("-inf")

    async def keep(self) -> int:
        """Gives a sign of life; gives how many intents of dead processes became garbage."""
        now = time.monotonic()
        await beat()
        if now - self._last > self._silent_seconds / 2:
            self._since = now
        self._last = now
        if now - self._since < self._silent_seconds:
            return 0
        return await reap(silent_seconds=self._silent_seconds)
