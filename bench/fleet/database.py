"""What PostgreSQL tells of a load: its statements, what it wrote ahead, and how large it is."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

SETTLE_SECONDS: Final = 0.5
"""How long a changed setting takes to reach every session."""
_STATEMENT: Final = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")
_FRAME: Final = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SELECT pg_advisory_unlock_all)\b")


@dataclass(frozen=True, slots=True)
class Written:
    """Counters of a database at one moment: bytes written ahead, rows changed, of them in place."""

    wal: int
    changed: int
    in_place: int

    @classmethod
    async def read(cls, connection: asyncpg.Connection[Any]) -> Written:
        """The counters now. Sessions tell what they did when they are idle, within a second."""
        wal = await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        row = await connection.fetchrow(
            "SELECT SUM(n_tup_upd) AS changed, SUM(n_tup_hot_upd) AS in_place"
            " FROM pg_stat_user_tables WHERE relname IN ('device', 'api_key')"
        )
        assert row is not None
        return cls(int(wal), int(row["changed"]), int(row["in_place"]))

    def since(self, before: Written) -> Written:
        """What came to it."""
        return Written(
            self.wal - before.wal, self.changed - before.changed, self.in_place - before.in_place
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """Statements that were seen: all, and without those that begin, end and reset."""

    all: int
    statements: int


async def bytes_of_row(connection: asyncpg.Connection[Any], table: str) -> float:
    """What a row of a table takes on the disk, indexes included."""
    size = await connection.fetchval("SELECT pg_total_relation_size($1)", table)
    rows = await connection.fetchval(f"SELECT COUNT(*) FROM {table}")
    return float(size) / max(1, int(rows))


class Statements:
    """The statements that a database was sent, by its own log."""

    def __init__(self, connection: asyncpg.Connection[Any], log: Path) -> None:
        self._connection, self._log = connection, log

    @classmethod
    async def of(cls, connection: asyncpg.Connection[Any]) -> Statements:
        """Those of the database of a connection."""
        folder = await connection.fetchval("SHOW data_directory")
        return cls(connection, Path(folder) / "log")

    async def begin(self) -> int:
        """Has the database log all statements from now on; gives where that begins."""
        await self._set("'all'")
        return self._log.stat().st_size

    async def end(self, begun: int) -> Seen:
        """The statements since then."""
        with self._log.open("rb") as file:
            file.seek(begun)
            text = file.read().decode(errors="replace")
        await self._set("DEFAULT")
        found = _STATEMENT.findall(text)
        return Seen(len(found), sum(_FRAME.match(one) is None for one in found))

    async def _set(self, value: str) -> None:
        await self._connection.execute(f"ALTER SYSTEM SET log_statement = {value}")
        await self._connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(SETTLE_SECONDS)
