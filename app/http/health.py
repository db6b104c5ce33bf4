"""Whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import database
from app.ballast import ballast
from app.rules.failures import DatabaseUnavailable, MethodNotAllowed
from app.server import Server

METHODS: Final = ("GET", "HEAD")
PATIENCE: Final = 3.0
"""Seconds after which a part of the server that does not answer counts as failed."""

_log = logging.getLogger(__name__)
_HEADERS: Final = {"Cache-Control": "no-store"}


async def live(request: Request) -> Response:
    """Answers as long as the process answers anything."""
    _check_method(request)
    return JSONResponse({"status": "ok"}, headers=_HEADERS)


async def ready(server: Server, request: Request) -> Response:
    """Answers 200 when the start is over, and database and storage work; else 503.

    Each part is told by a word: `ok` or `failed`, and `full` of a storage that takes no uploads
    for lack of room. That is no reason to send nobody here: all else goes on.
    """
    _check_method(request)

    async def started() -> str:
        return "ok" if server.ready.is_set() else "failed"

    async def storage() -> str:
        status = await server.store.status()
        word = "full" if status.full or ballast.lacking else "ok"
        return word if status.healthy else "failed"

    checks = {"start": started, "database": _database, "storage": storage}
    words = await asyncio.gather(*(_word(name, check) for name, check in checks.items()))
    parts = dict(zip(checks, words, strict=True))
    if "failed" not in words:
        return JSONResponse({"status": "ok", **parts}, headers=_HEADERS)
    return JSONResponse(
        {"status": "unavailable", **parts},
        status_code=503,
        headers={**_HEADERS, "Retry-After": "5"},
    )


def _check_method(request: Request) -> None:
    if request.method not in METHODS:
        raise MethodNotAllowed("Whether the server is well is asked with GET or HEAD.")


async def _database() -> str:
    return "ok" if len(await database.query("SELECT 1 AS answer")) == 1 else "failed"


async def _word(name: str, check: Callable[[], Awaitable[str]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except DatabaseUnavailable as error:
        _log.warning("Not ready: %s (%r).", name, error.__cause__)
        return "failed"
    except Exception:
        _log.warning("Not ready: %s.", name, exc_info=True)
        return "failed"
