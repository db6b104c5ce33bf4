"""One line for each request that was answered: what an operator has to know, and no secret.

A signed URL is a secret, so of an address the path alone is told; of a key, its id.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.proxies import see_through
from app.rules.access import KEY_PREFIX
from app.settings import Network

LONGEST_PATH: Final = 200
"""How many characters of a path are told; no path of this server has as many."""
_HIDDEN: Final = re.compile(f"({KEY_PREFIX}|signature=)[A-Za-z0-9_-]+")
"""What is no part of a path, but for a client that mixed something up: keys, and a link's end."""

log = logging.getLogger("bindery.access")


def write_to_stdout() -> None:
    """Begins to write the lines; before that, none is even put together."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.INFO)


class AccessLog:
    """The first that a request meets: gives it an id and its true origin, and notes its end.

    Whoever finds out the key of a request puts its id into `request.state.key`.
    """

    def __init__(self, app: ASGIApp, *, proxies: tuple[Network, ...] = ()) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._proxies:
            see_through(scope, self._proxies)
        scope.setdefault("state", {}).setdefault("request_id", uuid4().hex)
        if not log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        seen = _Seen(send)
        at, begun = datetime.now(UTC), time.perf_counter()
        try:
            await self._app(scope, receive, seen)
        finally:
            log.info(_line(scope, seen, at=at, seconds=time.perf_counter() - begun))


class _Seen:
    """An answer's `send` that remembers what went out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.bytes = 0
        self.complete = False

    async def __call__(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "http.response.body" | "websocket.http.response.body":
                self.bytes += len(message.get("body", b""))
                self.complete = not message.get("more_body", False)
            case "websocket.accept":
                self.status, self.complete = 101, True
            case "websocket.send":
                self.bytes += len(message.get("bytes") or (message.get("text") or "").encode())
            case "websocket.close" if self.status is None:
                self.status, self.complete = 403, True
        await self._send(message)


def _line(scope: Scope, seen: _Seen, *, at: datetime, seconds: float) -> str:
    client = scope.get("client")
    told: dict[str, Any] = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "address": client[0] if client else None,
        "scheme": scope["scheme"],
        "method": scope.get("method", "WEBSOCKET"),
        "path": _HIDDEN.sub(r"\1…", scope["path"])[:LONGEST_PATH],
        "status": seen.status,
        "bytes": seen.bytes,
        "milliseconds": round(seconds * 1000, 2),
        "requestId": scope["state"]["request_id"],
        "keyId": scope["state"].get("key"),
    }
    if not seen.complete:
        told["complete"] = False
    return json.dumps(told)
