"""A whole server without a socket, on either database, for suites that play many cases on it."""

from __future__ import annotations

import contextlib
import tempfile
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
from starlette.applications import Starlette

from app.main import create_app, running
from app.server import Server
from app.settings import Settings
from tests.databases import embedded

DATABASES = ("sqlite", "postgres")
_UNLIMITED = 10**9


@dataclass(frozen=True)
class Stage:
    """A running server, and a client without a key."""

    app: Starlette
    http: httpx.AsyncClient

    @property
    def server(self) -> Server:
        """What the doors of the server share."""
        found: Server = self.app.state.server
        return found


@contextlib.contextmanager
def postgres() -> Iterator[Callable[[], str]]:
    """What gives the address of a PostgreSQL of this process alone, started when first asked."""
    with contextlib.ExitStack() as ends:

        @lru_cache(1)
        def address() -> str:
            return ends.enter_context(embedded())

        yield address


@contextlib.asynccontextmanager
async def staged(kind: str, address: Callable[[], str]) -> AsyncIterator[Stage]:
    """A server on an empty database of this kind."""
    with tempfile.TemporaryDirectory(prefix="bindery-") as folder:
        async with _database(kind, Path(folder), address) as url:
            settings = Settings(
                data=Path(folder) / "data",
                database=url,
                storage_reserve=0,
                # So that it can be exceeded, too.
                quota_bytes=4 << 30,
                # Many more requests than people send are sent here, and none is to be refused.
                rate_requests=_UNLIMITED,
                rate_cost=_UNLIMITED,
            )
            app = create_app(settings)
            # An exception that reaches the server is an answer of 500 to be found, not a crash.
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with (
                running(app.state.server),
                httpx.AsyncClient(transport=transport, base_url="http://bindery") as client,
            ):
                yield Stage(app, client)


@contextlib.asynccontextmanager
async def _database(kind: str, folder: Path, address: Callable[[], str]) -> AsyncIterator[str]:
    if kind == "sqlite":
        yield f"sqlite://{folder / 'bindery.db'}"
        return
    server, name = address(), f"suite_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()
