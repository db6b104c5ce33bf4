"""Whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import database
from app.rules.errors import MethodNotAllowed
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
    """Answers 200 when the start is over, and database and storage work; else 503 says what."""
    _check_method(request)

    async def started() -> bool:
        return server.ready.is_set()

    checks = {"start": started, "database": _database_answers, "storage": server.store.healthy}
    outcomes = await asyncio.gather(*(_passes(name, check) for name, check in checks.items()))
    failed = [name for name, passed in zip(checks, outcomes, strict=True) if not passed]
    if not failed:
        return JSONResponse({"status": "ok"}, headers=_HEADERS)
    return JSONResponse(
        {"status": "unavailable", "failed": failed},
        status_code=503,
        headers={**_HEADERS, "Retry-After": "5"},
    )


def _check_method(request: Request) -> None:
    if request.method not in METHODS:
        raise MethodNotAllowed("Whether the server is well is asked with GET or HEAD.")


async def _database_answers() -> bool:
    return len(await database.query("SELECT 1 AS answer")) == 1


async def _passes(name: str, check: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except Exception:
        _log.warning("Not ready: %s.", name, exc_info=True)
        return False
