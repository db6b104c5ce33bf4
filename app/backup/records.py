"""Copies a database as of one moment, beside servers that go on, and puts a copy back.

SQLite's is copied by its own backup, in one step; PostgreSQL's tables by COPY out of one snapshot.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from app import postgres
from app.actions.hold import HOLD_KEY
from app.backup import files
from app.loss import translated
from app.storage.content import Digest

MIGRATIONS: Final = "SELECT name FROM tortoise_migrations WHERE app = 'bindery' ORDER BY name"
BLOBS: Final = "SELECT blob, hash, size FROM binary_part WHERE blob IS NOT NULL ORDER BY blob"

_TABLES: Final = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
    AND relname <> 'tortoise_migrations'
ORDER BY relname
"""
_REFERENCES: Final = """
SELECT DISTINCT conrelid::regclass::text AS table, confrelid::regclass::text AS needs
FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid
    AND connamespace = current_schema()::regnamespace
"""


if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection
_SEQUENCES: Final = """
SELECT sequencename, last_value FROM pg_sequences
WHERE schemaname = current_schema() AND last_value IS NOT NULL
"""
_COUNTED: Final = "sequences.json"


class Damaged(Exception):
    """The copy of a database is damaged, as the database itself must be."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a copy of the records holds, and which content they name."""

    migrations: list[str]
    blobs: list[tuple[str, Digest]]
    files: dict[str, Digest] = field(default_factory=dict)
    """The files of the copy itself."""


def copy_embedded(file: Path, target: Path) -> Records:
    """Copies the file of an embedded database. Raises Damaged, OSError, sqlite3.Error."""
    source = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.execute("PRAGMA query_only = ON")
        # All pages in one step: others write meanwhile, and the copy is of one moment.
        source.backup(copy)
        # So that it is one file, and can be read where nobody may write.
        copy.execute("PRAGMA journal_mode = DELETE")
        (wrong,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if wrong != "ok":
            raise Damaged(" ".join(str(wrong).split()))
        records = Records(
            [name for (name,) in copy.execute(MIGRATIONS)],
            [(blob, Digest(sha256, size)) for blob, sha256, size in copy.execute(BLOBS)],
        )
    records.files[target.name] = files.synced(target)
    return records


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to PostgreSQL that its servers count as one of theirs."""
    credentials = postgres.credentials(url, "bindery")
    settings = {
        "application_name": credentials.pop("application_name").replace("writer", "backup"),
        **credentials.pop("server_settings"),
    }
    with translated():
        connection = await asyncpg.connect(**credentials, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def hold(connection: Connection) -> bool:
    """Holds the erasing of content until the connection ends; false if another backup does."""
    held: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", HOLD_KEY)
    return held


async def copy_tables(connection: Connection, folder: Path) -> Records:
    """Copies every table to a file of its own, all as of one moment. Raises OSError."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        records = Records(
            [row["name"] for row in await connection.fetch(MIGRATIONS)],
            [
                (row["blob"], Digest(row["hash"], row["size"]))
                for row in await connection.fetch(BLOBS)
            ],
        )
        for (table,) in await connection.fetch(_TABLES):
            with files.new_file(folder / f"{table}.csv") as copy:
                await connection.copy_from_table(table, output=copy.take, format="csv", header=True)
            records.files[f"{folder.name}/{table}.csv"] = copy.digest
        # No snapshot holds what a sequence has given. It is read last, so it is behind no row.
        rows = await connection.fetch(_SEQUENCES)
        counted = {row["sequencename"]: row["last_value"] for row in rows}
        digest = files.written(folder / _COUNTED, json.dumps(counted).encode())
        records.files[f"{folder.name}/{_COUNTED}"] = digest
    return records


async def is_empty(connection: Connection) -> bool:
    """Whether a database has no table at all."""
    return not await connection.fetch(_TABLES)


async def load_tables(connection: Connection, folder: Path) -> None:
    """Fills the tables of a database that was migrated to what the copy has. Raises OSError."""
    by_table = _tables(folder)
    references = await connection.fetch(_REFERENCES)
    order = _ordered(by_table, [(row["table"], row["needs"]) for row in references])
    async with connection.transaction():
        # What triggers write is in the copy already.
        for table in order:
            await connection.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
        for table in order:
            with by_table[table].open("rb") as file:
                columns = file.readline().decode().strip().split(",")
            await connection.copy_to_table(
                table, source=by_table[table], columns=columns, format="csv", header=True
            )
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name, value in _counted(folder).items():
            await connection.execute("SELECT setval($1::text::regclass, $2)", name, value)
        for table in order:
            await connection.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
    await connection.execute("ANALYZE")


def _tables(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.csv")}


def _counted(folder: Path) -> dict[str, int]:
    """How far each sequence was; the first backups were of databases that had none."""
    path = folder / _COUNTED
    counted: dict[str, int] = json.loads(path.read_bytes()) if path.exists() else {}
    return counted


def _ordered(tables: Iterable[str], references: Sequence[tuple[str, str]]) -> list[str]:
    """The tables so that each comes after those that it refers to."""
    left, order = set(tables), list[str]()
    while left:
        needed = {table for table, needs in references if needs in left}
        free = sorted(left - needed)
        assert free, f"tables refer to each other in a circle: {sorted(left)}"
        order += free
        left -= set(free)
    return order
