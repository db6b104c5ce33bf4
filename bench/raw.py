"""What hand-written code does: one SQL statement to JSON, through Starlette; and fixed bytes.

`/raw/Q1` looks up the API key as the product does, binds the organization, and sends what the
database made. `/static/Q1` sends an answer that it keeps, which is what HTTP alone costs.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import aiosqlite
import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.rules.access import hash_secret
from bench.questions import QUESTIONS, written

POOL: Final = 5
"""Connections to PostgreSQL: as many as the product reads with."""

_NAME: Final = re.compile(r"prn:1:([0-9a-f-]{36}):[a-z_]+:([0-9a-f-]{36})")
_KEY: Final = """SELECT organization_id, expires_at, revoked_at FROM api_key
WHERE secret_hash = $1"""

Fetch = Callable[..., Awaitable[Any]]


class _Connection(asyncpg.Connection):
    """Needs no reset on each release; the product's reading connections do without too."""

    def get_reset_query(self) -> str:
        return ""


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Fetch]:
    """A function that gives the first row of a statement, or None."""
    if url.startswith("sqlite:"):
        async with aiosqlite.connect(url.removeprefix("sqlite://")) as connection:
            await connection.execute("PRAGMA query_only = ON")

            async def first(sql: str, *arguments: Any) -> Any:
                rows = await connection.execute_fetchall(sql, arguments)
                return next(iter(rows), None)

            yield first
        return
    settings = {"jit": "off", "timezone": "UTC"}
    async with asyncpg.create_pool(
        url, min_size=1, max_size=POOL, connection_class=_Connection, server_settings=settings
    ) as pool:
        yield pool.fetchrow


class Raw:
    """The two endpoints on one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        embedded = url.startswith("sqlite:")
        self._key = written(_KEY, embedded=embedded)
        self._asked = {one.name: one for one in QUESTIONS}
        self._sql = {one.name: written(one.sql, embedded=embedded) for one in QUESTIONS if one.sql}
        self._kept: dict[str, bytes] = {}

    def app(self) -> Starlette:
        """The application."""

        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            async with opened(self._url) as self._first:
                yield

        return Starlette(
            routes=[
                Route("/raw/{question}", self.answer, methods=["POST"]),
                Route("/static/{question}", self.fixed, methods=["POST"]),
            ],
            lifespan=lifespan,
        )

    async def answer(self, request: Request) -> Response:
        """The answer to a question, from one statement besides that about the key."""
        content = await self._content(request)
        if content is None:
            return Response(status_code=401)
        return Response(content, media_type="application/json")

    async def _content(self, request: Request) -> bytes | None:
        secret = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = await self._first(self._key, hash_secret(secret))
        if key is None or key[2] is not None or (key[1] and key[1] <= datetime.now(UTC)):
            return None
        organization_id = str(key[0])
        question = self._asked[request.path_params["question"]]
        variables = orjson.loads(await request.body())["variables"]
        ids = []
        for name in question.ids:
            found = _NAME.fullmatch(variables[name])
            if found is None or found[1] != organization_id:
                return None
            ids.append(found[2])
        prefix = f"prn:1:{organization_id}:"
        row = await self._first(self._sql[question.name], organization_id, prefix, *ids)
        before, after = question.wrap
        text: str = "null" if row is None else row[0]
        return f"{before}{text}{after}".encode()

    async def fixed(self, request: Request) -> Response:
        """The first answer that the question got, whatever is asked after."""
        question = request.path_params["question"]
        if question not in self._kept:
            self._kept[question] = await self._content(request) or b""
        await request.body()
        return Response(self._kept[question], media_type="application/json")


def main() -> None:
    """Serves, and prints the address once it does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    url = parser.parse_args().database
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(Raw(url).app(), access_log=False, log_level="warning")
        server = uvicorn.Server(config)
        print(f"raw serves on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
